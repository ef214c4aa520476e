"""Views of runs under a name: one's own, shared ones, by page and by API."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from studio.experiments.saved_views import KEPT, query_clean
from studio.models import SavedView
from tests.tracking.mlflow_store import Store

QUERY = "filter=metrics.a+%3E+1&sort=-metrics.a&column=metrics.a&column=params.b&density=compact"
JSON = "application/json"


@pytest.fixture
def other(db: None) -> Client:
    """A browser of somebody else."""
    found = Client()
    found.force_login(get_user_model().objects.create_user("eve", password="x"))
    return found


@pytest.fixture
def experiment(store: Store) -> str:
    return store.experiment("e")


def save(person: Client, experiment: str, name: str = "best", **more: str) -> SavedView:
    posted = {"name": name, "query": QUERY, **more}
    answer = person.post(f"/experiments/{experiment}/views/", posted)
    assert answer.status_code == 302
    return SavedView.objects.get(name=name)


@given(st.lists(st.tuples(st.sampled_from([*KEPT, "page_token", "saved", "x"]), st.text())))
def test_a_view_keeps_what_makes_the_list_and_nothing_else(pairs: list) -> None:
    from urllib.parse import parse_qsl, urlencode

    usable = [(key, value.encode("utf-8", "ignore").decode()) for key, value in pairs]
    clean = query_clean(urlencode(usable))
    kept = [(key, value) for key, value in usable if key in KEPT and value]
    assert parse_qsl(clean) == kept
    assert query_clean(clean) == clean


def test_a_view_is_saved_opened_and_shown_as_the_one_that_is_open(
    person: Client, experiment: str
) -> None:
    view = save(person, experiment)
    assert view.query == QUERY
    html = person.get(f"/experiments/{experiment}/").content.decode()
    link = unescape(re.search(r'<li><a href="(/experiments/[^"]+)"', html)[1])
    assert link == f"/experiments/{experiment}/?{QUERY}&saved={view.pk}"
    opened = person.get(link).content.decode()
    assert re.search(r'<li><a href="[^"]+" aria-current="true"', opened)
    assert "best *" not in opened
    assert "best *" in person.get(f"{link}&size=25").content.decode()


def test_the_page_of_the_list_is_no_part_of_it(person: Client, experiment: str) -> None:
    posted = {"name": "x", "query": f"?{QUERY}&page_token=abc&saved=9&evil=1"}
    person.post(f"/experiments/{experiment}/views/", posted)
    assert SavedView.objects.get().query == QUERY


def test_only_shared_views_are_seen_by_others_and_nobody_else_changes_them(
    person: Client, other: Client, experiment: str
) -> None:
    hidden, shared = save(person, experiment, "mine"), save(person, experiment, "ours", shared="1")
    html = other.get(f"/experiments/{experiment}/").content.decode()
    assert "shared by ada" in html
    assert ">mine<" not in html
    assert other.post(f"/views/{hidden.pk}/", {"action": "delete"}).status_code == 404
    other.post(f"/views/{shared.pk}/", {"action": "delete"})
    other.post(f"/views/{shared.pk}/", {"query": "sort=name"})
    assert SavedView.objects.get(pk=shared.pk).query == QUERY
    save(other, experiment, "mine again")
    posted = {"name": "mine", "query": ""}
    assert other.post(f"/experiments/{experiment}/views/", posted).status_code == 302
    assert SavedView.objects.filter(name="mine").count() == 2  # names are a person's own


def test_a_view_is_updated_and_deleted(person: Client, experiment: str) -> None:
    view = save(person, experiment)
    person.post(f"/views/{view.pk}/", {"action": "update", "query": "sort=name"})
    view.refresh_from_db()
    assert (view.query, view.shared) == ("sort=name", False)
    answer = person.post(f"/views/{view.pk}/", {"action": "delete"})
    assert answer["Location"] == f"/experiments/{experiment}/?sort=name"
    assert not SavedView.objects.exists()
    assert person.post(f"/views/{view.pk}/", {"action": "delete"}).status_code == 404


def test_the_owner_renames_shares_and_unshares_a_view_in_the_page(
    person: Client, other: Client, experiment: str
) -> None:
    view = save(person, experiment, shared="1")
    page = f"/experiments/{experiment}/"
    menu = f'<form method="post" action="/views/{view.pk}/">'
    mine = person.get(page).content.decode()
    assert re.search(rf'{menu}.*?name="name" value="best".*?name="shared" checked', mine, re.S)
    assert menu not in other.get(page).content.decode()
    person.post(f"/views/{view.pk}/", {"name": "<b> new"})
    view.refresh_from_db()
    assert (view.name, view.shared, view.query) == ("<b> new", False, QUERY)
    assert "shared by ada" not in other.get(page).content.decode()
    person.post(f"/views/{view.pk}/", {"name": "<b> new", "shared": "on"})
    assert "shared by ada" in other.get(page).content.decode()
    assert 'value="&lt;b&gt; new"' in person.get(page).content.decode()
    other.post(f"/views/{view.pk}/", {"name": "stolen"})
    view.refresh_from_db()
    assert view.name == "<b> new"


def test_a_view_cannot_take_the_name_of_another(person: Client, experiment: str) -> None:
    view = save(person, experiment, "one")
    save(person, experiment, "two")
    html = person.post(f"/views/{view.pk}/", {"name": "two"}, follow=True).content.decode()
    assert "You have a view of this name already" in html
    view.refresh_from_db()
    assert view.name == "one"


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\x00b"])
def test_a_name_that_cannot_be_is_refused(person: Client, experiment: str, name: str) -> None:
    url = f"/experiments/{experiment}/views/"
    html = person.post(url, {"name": name, "query": QUERY}, follow=True).content.decode()
    assert "1 to 100 printable characters" in html
    assert not SavedView.objects.exists()


def test_a_name_is_used_once(person: Client, experiment: str) -> None:
    save(person, experiment)
    url = f"/experiments/{experiment}/views/"
    html = person.post(url, {"name": "best"}, follow=True).content.decode()
    assert "You have a view of this name already" in html
    assert SavedView.objects.count() == 1


def test_the_api_makes_lists_changes_and_deletes_views(person: Client, experiment: str) -> None:
    url = f"/api/v1/experiments/{experiment}/views"
    made = person.post(url, {"name": "best", "query": QUERY, "shared": True}, content_type=JSON)
    assert made.status_code == 201
    body = made.json()
    assert {**body, "id": 0, "updated_at": ""} == {
        "id": 0,
        "experiment_id": experiment,
        "name": "best",
        "query": QUERY,
        "shared": True,
        "owner": "ada",
        "url": f"/experiments/{experiment}/?{QUERY}&saved={body['id']}",
        "updated_at": "",
    }
    assert person.get(url).json()["items"] == [body]
    one = f"/api/v1/views/{body['id']}"
    assert person.get(one).json() == body
    changed = person.patch(one, {"name": "worst"}, content_type=JSON).json()
    assert (changed["name"], changed["query"], changed["shared"]) == ("worst", QUERY, True)
    taken = person.post(url, {"name": "worst"}, content_type=JSON)
    assert (taken.status_code, list(taken.json()["fields"])) == (409, ["name"])
    assert person.delete(one).status_code == 204
    assert person.get(one).status_code == 404
    assert person.post(url, {"query": 5}, content_type=JSON).status_code == 400
    missing = person.post("/api/v1/experiments/999/views", {"name": "x"}, content_type=JSON)
    assert missing.status_code == 404


def test_the_api_refuses_changing_what_is_somebody_elses(
    person: Client, other: Client, experiment: str
) -> None:
    view = save(person, experiment, shared="1")
    assert other.get(f"/api/v1/views/{view.pk}").status_code == 200
    assert other.delete(f"/api/v1/views/{view.pk}").status_code == 409
    answer = other.patch(f"/api/v1/views/{view.pk}", {"name": "x"}, content_type=JSON)
    assert answer.status_code == 409
    for wrong in ("0", "999", str(2**70)):
        assert other.get(f"/api/v1/views/{wrong}").status_code == 404
