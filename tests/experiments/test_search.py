"""The global search: groups, addresses, and what a slow or failing MLflow does to it."""

from __future__ import annotations

import re
import threading
import time
from html import unescape

import pytest
from django.test import Client

from registry.environments.services import environment_create
from studio.search import finding
from tests.factories import ServiceFactory, TargetFactory
from tests.tracking.mlflow_store import Store, use
from workspaces.errors import Unavailable

ODD = '<u>"50 %" / it\'s</u> 実験'


def groups_in(html: str) -> list[str]:
    """Heads of the groups that are shown, in order."""
    heads = re.findall(r'<div class="search-group"[^>]*>\s*<h3>.*?</svg>(.*?)</h3>', html, re.S)
    return [head.strip() for head in heads]


@pytest.fixture(autouse=True)
def every_group_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine at work makes no group late; a test of lateness sets its own patience."""
    monkeypatch.setattr(finding, "PATIENCE_S", 30)


@pytest.fixture
def filled(store: Store, db: None) -> dict[str, str]:
    experiment = store.experiment("diabetes one")
    run = store.run(experiment, "diabetes ridge")
    store.client.create_registered_model("diabetes model")
    ServiceFactory(name="diabetes-live", target=TargetFactory(name="diabetes-target"))
    environment_create(name="diabetes-tools", packages=["numpy"], user=None)
    return {"experiment": experiment, "run": run}


def test_everything_with_that_name_is_found_by_group(person: Client, filled: dict) -> None:
    html = person.get("/search/", {"q": "DIABETES"}).content.decode()
    assert groups_in(html) == [
        "Experiments", "Runs", "Models", "Services", "Compute targets", "Environments",
    ]  # fmt: skip
    for path in (
        f"/experiments/{filled['experiment']}/",
        f"/runs/{filled['run']}/",
        "/models/diabetes%20model/",
        "/services/diabetes-live/",
        "/targets/diabetes-target/",
        "/environments/diabetes-tools/",
    ):
        assert f'href="{path}"' in html, path


def test_a_run_is_found_by_the_start_of_its_id(person: Client, filled: dict) -> None:
    html = person.get("/search/results/", {"q": filled["run"][:8]}).content.decode()
    assert f'href="/runs/{filled["run"]}/"' in html
    assert "<html" not in html


@pytest.mark.parametrize("text", ["", "zzz", "%", "_", "'", '"', "\\", "\x00", "x" * 5000, ODD])
def test_any_text_can_be_searched_for(person: Client, filled: dict, text: str) -> None:
    answer = person.get("/search/", {"q": text})
    assert answer.status_code == 200
    assert "<u>" not in answer.content.decode()


def test_odd_names_are_text(person: Client, store: Store) -> None:
    store.run(store.experiment(ODD), ODD)
    html = person.get("/search/", {"q": "実験"}).content.decode()
    assert "<u>" not in html
    assert groups_in(html) == ["Experiments", "Runs"]


def test_no_more_than_six_of_a_kind_and_a_way_to_the_others(person: Client, store: Store) -> None:
    for number in range(8):
        store.experiment(f"many {number}")
    html = person.get("/search/", {"q": "many"}).content.decode()
    assert len(re.findall(r'<a class="search-hit" href="/experiments/\d', html)) == 6
    assert 'href="/experiments/?q=many"' in html


def test_more_runs_than_shown_are_told_and_are_on_a_page_of_their_own(
    person: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = store.experiment("its <own>")
    for number in range(7):
        store.run(experiment, f"50 % it's {number}")
    html = person.get("/search/", {"q": "50 % it's"}).content.decode()
    assert len(re.findall(r'<a class="search-hit" href="/runs/', html)) == 6
    more = unescape(re.search(r'<a class="search-hit more" href="([^"]+)">There are more', html)[1])
    page = person.get(more).content.decode()
    assert len(re.findall(r'<a class="search-hit" href="/runs/', page)) == 7
    assert "Only the newest" not in page
    listed = unescape(re.search(r'href="(/experiments/\d+/\?filter=[^"]+)"', page)[1])
    assert len(re.findall(r'<tr id="row-', person.get(listed).content.decode())) == 7
    monkeypatch.setattr(finding, "MOST_RUNS", 5)
    assert "Only the newest" in person.get(more).content.decode()


def test_six_runs_are_all_there_is(person: Client, store: Store) -> None:
    experiment = store.experiment("few")
    for number in range(6):
        store.run(experiment, f"ridge {number}")
    assert "There are more" not in person.get("/search/", {"q": "ridge"}).content.decode()
    assert person.get("/search/", {"q": "\"'`", "kind": "runs"}).status_code == 200


def test_what_is_archived_is_not_found(person: Client, store: Store) -> None:
    gone = store.experiment("gone")
    store.run(gone, "gone run")
    store.client.delete_experiment(gone)
    kept = store.experiment("kept")
    store.client.delete_run(store.run(kept, "gone run"))
    assert groups_in(person.get("/search/", {"q": "gone"}).content.decode()) == []


def test_a_failing_mlflow_leaves_the_other_groups(
    person: Client, filled: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tracking_uri="http://127.0.0.1:9")
    html = person.get("/search/", {"q": "diabetes"}).content.decode()
    assert 'href="/services/diabetes-live/"' in html
    assert 'href="/targets/diabetes-target/"' in html
    assert html.count("cannot be reached") == 3
    assert html.count("Try again") == 3


def test_a_slow_group_is_asked_for_by_itself(
    person: Client, filled: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()

    def slow(text: str) -> tuple[list[finding.Hit], str]:
        free.wait(20)
        raise Unavailable("too slow")

    label, icon, _finder, asks = finding.KINDS["runs"]
    rows = {**finding.KINDS, "runs": (label, icon, slow, asks)}
    monkeypatch.setattr(finding, "KINDS", rows)
    monkeypatch.setattr(finding, "PATIENCE_S", 0.5)
    started = time.monotonic()
    html = person.get("/search/results/", {"q": "diabetes"}).content.decode()
    assert time.monotonic() - started < 15
    assert 'hx-get="/search/results/runs/?q=diabetes"' in html
    assert 'href="/services/diabetes-live/"' in html
    free.set()


def test_a_group_alone_and_one_that_is_not_there(person: Client, filled: dict) -> None:
    html = person.get("/search/results/runs/", {"q": "ridge"}).content.decode()
    assert groups_in(html) == ["Runs"]
    assert person.get("/search/results/secrets/", {"q": "x"}).status_code == 404


def test_nobody_searches_without_signing_in(client: Client, store: Store, db: None) -> None:
    assert client.get("/search/", {"q": "x"}).status_code == 302
    assert client.get("/search/results/", {"q": "x"}).status_code == 302
