"""Tags edited in place, and notes in Markdown; MLflow keeps both."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.tracking.mlflow_store import Store
from workspaces.models import Event

PART = {"HX-Request": "true"}


@pytest.fixture
def run_id(store: Store) -> str:
    return store.run(store.experiment("edited"), tags={"team": "blue", "mlflow.user": "ada"})


def tags_of(store: Store, run_id: str) -> dict[str, str]:
    tags = store.client.get_run(run_id).data.tags
    return {key: value for key, value in tags.items() if not key.startswith("mlflow.")}


def test_a_tag_is_set_changed_and_removed(person: Client, store: Store, run_id: str) -> None:
    url = f"/runs/{run_id}/tags/"
    added = {"key": "odd/key: 1", "value": "<b>é</b>"}
    html = person.post(url, added, headers=PART).content.decode()
    assert "&lt;b&gt;é" in html
    assert "<b>é" not in html
    person.post(url, {"key": "team", "value": "red"}, headers=PART)
    assert tags_of(store, run_id) == {"team": "red", "odd/key: 1": "<b>é</b>"}
    for _twice in range(2):
        assert person.post(url, {"remove": "team"}, headers=PART).status_code == 200
    assert tags_of(store, run_id) == {"odd/key: 1": "<b>é</b>"}
    assert Event.objects.filter(kind="run.changed", subject=run_id).count() == 4


def test_without_scripts_the_page_is_shown_again(person: Client, run_id: str) -> None:
    answer = person.post(f"/runs/{run_id}/tags/", {"key": "a", "value": "b"})
    assert answer.status_code == 302
    assert answer["Location"] == f"/runs/{run_id}/"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "x"),
        ("a" * 251, "x"),
        ("what?", "x"),
        ("../up", "x"),
        ("mlflow.user", "eve"),
        ("fine", "x" * 8001),
        ("fine", "a\x00b"),
        ("new\nline", "x"),
    ],
)
def test_a_wrong_tag_changes_nothing(
    person: Client, store: Store, run_id: str, key: str, value: str
) -> None:
    answer = person.post(f"/runs/{run_id}/tags/", {"key": key, "value": value}, headers=PART)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert tags_of(store, run_id) == {"team": "blue"}
    assert store.client.get_run(run_id).data.tags["mlflow.user"] == "ada"


def test_tags_of_mlflow_itself_cannot_be_removed(person: Client, store: Store, run_id: str) -> None:
    answer = person.post(f"/runs/{run_id}/tags/", {"remove": "mlflow.user"}, headers=PART)
    assert answer.status_code == 422
    assert store.client.get_run(run_id).data.tags["mlflow.user"] == "ada"


def test_notes_are_markdown_that_runs_nothing(person: Client, store: Store, run_id: str) -> None:
    url = f"/runs/{run_id}/notes/"
    text = "# Why\r\n\r\n**better** <script>x</script> [a](javascript:alert(1))"
    answer = person.post(url, {"notes": text}, headers=PART)
    assert answer["HX-Redirect"] == f"/runs/{run_id}/"
    html = person.get(f"/runs/{run_id}/").content.decode()
    assert "<strong>better</strong>" in html
    assert "<script>x" not in html
    assert 'href="javascript' not in html
    assert "**better**" in person.get(url).content.decode()
    person.post(url, {"notes": ""})
    assert "mlflow.note.content" not in store.client.get_run(run_id).data.tags


def test_notes_that_are_too_long_stay_in_the_form(person: Client, run_id: str) -> None:
    answer = person.post(f"/runs/{run_id}/notes/", {"notes": "x" * 8001}, headers=PART)
    assert answer.status_code == 422
    assert "At most 8000" in answer.content.decode()
    assert "x" * 8001 in answer.content.decode()


def test_a_deleted_run_is_not_changed(person: Client, store: Store, run_id: str) -> None:
    store.client.delete_run(run_id)
    answer = person.post(f"/runs/{run_id}/tags/", {"key": "a", "value": "b"}, headers=PART)
    assert answer.status_code == 422
    assert "deleted" in answer.content.decode()
    html = person.get(f"/runs/{run_id}/").content.decode()
    assert "Set tag" not in html


def test_a_run_that_does_not_exist_has_no_tags(person: Client, store: Store) -> None:
    for path in ("tags/", "notes/"):
        assert person.post(f"/runs/{'0' * 32}/{path}", {"key": "a"}).status_code in {404, 422}
