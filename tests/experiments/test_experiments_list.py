"""The list of experiments: tags, order, stars, archive, and their descriptions."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from studio.models import Star
from tests.tracking.mlflow_store import Store
from workspaces.models import Event

ODD = '<u>"50 %" / it\'s</u> 実験'
LIST = "/experiments/"


def names(html: str) -> list[str]:
    cells = re.findall(r'<td class="name">(.*?)</td>', html, re.S)
    return [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in cells]


def listed(person: Client, **query: object) -> list[str]:
    return names(person.get(LIST, query).content.decode())


@pytest.fixture
def three(store: Store) -> dict[str, str]:
    """Three experiments; "b" has the last run, "a" the one before."""
    store.client.delete_experiment("0")
    ids = {name: store.experiment(name) for name in "abc"}
    store.client.set_experiment_tag(ids["a"], "team", "red")
    store.client.set_experiment_tag(ids["b"], "team", "blue")
    store.client.set_experiment_tag(ids["b"], "remark", ODD)
    store.run(ids["a"])
    store.run(ids["b"])
    return ids


def test_it_sorts_by_name_by_creation_and_by_what_happened_last(
    person: Client, three: dict
) -> None:
    assert listed(person)[:2] == ["b", "a"]
    for sort, wanted in {
        "name": "abc",
        "-name": "cba",
        "created": "abc",
        "-created": "cba",
        "activity": "cab",
        "-activity": "bac",
        "nonsense": "bac",
    }.items():
        assert "".join(listed(person, sort=sort)) == wanted, sort


def test_a_tag_narrows_it_with_or_without_a_value(person: Client, three: dict) -> None:
    assert listed(person, tag="team", sort="name") == ["a", "b"]
    assert listed(person, tag="team=blue") == ["b"]
    assert listed(person, tag=["team=blue", "team=red"]) == []
    assert listed(person, tag="team", q="A") == ["a"]
    html = person.get(LIST, {"tag": "team=blue"}).content.decode()
    assert re.search(r'class="filter-pill">Tag: <b>team=blue</b><a href="\?"', html)
    assert "<u>" not in html
    assert "tag=team%3Dblue" in html


def test_keys_of_tags_are_offered(person: Client, three: dict) -> None:
    html = person.get("/experiments/tag-keys/").content.decode()
    assert '<option value="team">' in html
    assert "mlflow." not in html


def test_pages_of_any_order_follow_each_other(person: Client, store: Store) -> None:
    for number in range(30):
        store.experiment(f"e{number:02}", team="x")
    first = person.get(LIST, {"size": 25, "sort": "name", "tag": "team"}).content.decode()
    link = re.search(r'href="(\?[^"]+)" rel="next"', first)
    assert link is not None
    second = person.get(LIST + unescape(link[1])).content.decode()
    assert names(first) + names(second) == [f"e{number:02}" for number in range(30)]


def test_a_star_is_a_persons_own_and_makes_a_tab(person: Client, three: dict) -> None:
    url = f"/experiments/{three['c']}/star/"
    for _twice in range(2):
        assert person.post(url, {"starred": "1"}).status_code == 302
    assert Star.objects.count() == 1
    assert listed(person, tab="starred") == ["c"]
    assert listed(person, tab="starred", q="zzz") == []
    part = person.post(url, {"starred": "0"}, headers={"HX-Request": "true"}).content.decode()
    assert 'aria-pressed="false"' in part
    assert listed(person, tab="starred") == []
    other = Client()
    other.force_login(get_user_model().objects.create_user("eve", password="x"))
    person.post(url, {"starred": "1"})
    assert listed(other, tab="starred") == []
    assert person.post("/experiments/999/star/", {"starred": "1"}).status_code == 404


def test_starred_ones_sort_and_page_as_the_others(person: Client, three: dict) -> None:
    for one in three.values():
        person.post(f"/experiments/{one}/star/", {"starred": "1"})
    for sort, wanted in {"-name": "cba", "created": "abc", "-activity": "bac"}.items():
        assert "".join(listed(person, tab="starred", sort=sort)) == wanted, sort
    assert listed(person, tab="starred", tag="team=red") == ["a"]


def test_archiving_hides_an_experiment_and_restoring_brings_it_back(
    person: Client, three: dict, store: Store
) -> None:
    url = f"/experiments/{three['a']}/"
    assert person.post(f"{url}archive/").status_code == 302
    assert listed(person, sort="name") == ["b", "c"]
    html = person.get(LIST, {"tab": "archived", "q": "a", "sort": "-created"}).content.decode()
    assert names(html) == ["a", "Default"]
    assert re.search(r'<td class="num">\s*1\s*</td>', html)  # its run, archived with it
    assert "archived" in person.get(url).content.decode()
    assert person.post(f"{url}archive/").status_code == 409
    assert person.post(f"{url}restore/").status_code == 302
    assert listed(person, sort="name") == ["a", "b", "c"]
    assert len(store.client.search_runs([three["a"]])) == 1
    assert person.post(f"{url}restore/").status_code == 409
    kinds = list(Event.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["experiment.archived", "experiment.restored"]


@pytest.mark.parametrize("act", ["archive", "restore", "star", "tags"])
def test_changes_need_a_post_and_an_experiment(person: Client, store: Store, act: str) -> None:
    assert person.get(f"/experiments/0/{act}/").status_code == 405
    answer = person.post(f"/experiments/999/{act}/", {"starred": "1", "key": "a"})
    assert answer.status_code == 404


def test_a_form_leads_back_only_to_pages_of_this_studio(person: Client, three: dict) -> None:
    url = f"/experiments/{three['a']}/star/"
    for wanted in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil"):
        answer = person.post(url, {"starred": "1", "next": wanted})
        assert answer["Location"] == "/experiments/", wanted
    answer = person.post(url, {"starred": "1", "next": "/experiments/?sort=name"})
    assert answer["Location"] == "/experiments/?sort=name"


def test_the_description_is_markdown_and_edited_in_place(person: Client, three: dict) -> None:
    url = f"/experiments/{three['a']}/notes/"
    form = person.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<textarea" in form
    text = "# Why\n\n**bold** <script>x</script> [link](javascript:x)"
    part = person.post(url, {"description": text}, headers={"HX-Request": "true"})
    html = part.content.decode()
    assert "<h3>Why</h3>" in html
    assert "<strong>bold</strong>" in html
    assert "<script>" not in html
    assert 'href="javascript' not in html
    assert person.post(url, {"description": "short"}).status_code == 302
    assert "short" in person.get(f"/experiments/{three['a']}/").content.decode()
    assert "short" in person.get(LIST).content.decode()


def test_what_mlflow_would_refuse_is_said_and_what_was_typed_stays(
    person: Client, three: dict
) -> None:
    url = f"/experiments/{three['a']}/"
    part = {"HX-Request": "true"}
    answer = person.post(f"{url}notes/", {"description": "y" * 20_001}, headers=part)
    assert answer.status_code == 422
    assert "y" * 20_001 in answer.content.decode()
    for key in ("", "mlflow.x", "a" * 251, "a/../b", "*"):
        answer = person.post(f"{url}tags/", {"key": key, "value": "v"}, headers=part)
        assert answer.status_code == 422, key


def test_tags_are_set_and_removed_in_place(person: Client, three: dict, store: Store) -> None:
    url = f"/experiments/{three['a']}/tags/"
    part = {"HX-Request": "true"}
    html = person.post(url, {"key": "stage", "value": ODD}, headers=part).content.decode()
    assert "stage" in html
    assert "<u>" not in html
    assert store.client.get_experiment(three["a"]).tags["stage"] == ODD
    person.post(url, {"remove": "team"}, headers=part)
    assert "team" not in store.client.get_experiment(three["a"]).tags


def test_an_archived_experiment_is_not_changed(person: Client, three: dict) -> None:
    person.post(f"/experiments/{three['a']}/archive/")
    url = f"/experiments/{three['a']}/notes/"
    answer = person.post(url, {"description": "x"}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "Restore it" in answer.content.decode()
