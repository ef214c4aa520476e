"""Odd data shows right on every page and in every answer, whatever kind of store it lies in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from tests.odd.calls import Call, changes, reads, rows_made, run_reads
from tests.odd.odd_store import FILE, HTML, LONG, METRIC, NAME, PARAM, TAG, OddStore, odd_store
from tests.tracking.made_stores import postgres_database
from tests.tracking.mlflow_store import open_store
from tests.tracking.stock_server import stock_server

pytestmark = pytest.mark.timeout(300)
KINDS = [
    "sqlite",
    pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.soak]),
    pytest.param("remote", marks=pytest.mark.soak),
]
STOPPED = 286  # htmx: the poll ends


@pytest.fixture(scope="module", params=KINDS)
def odd(
    request: pytest.FixtureRequest,
    mlflow_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OddStore]:
    """The odd store of one kind, which the studio reads."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("odd")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        if request.param == "sqlite":
            store = open_store(mlflow_template, folder, patch)
            client, place = store.client, str(store.artifacts)
        else:
            uri, place = _elsewhere(request, folder, stack)
            root = folder / "artifacts"
            root.mkdir(exist_ok=True)
            changed = replace(settings.SLIPWAY, tracking_uri=uri, artifact_root=str(root))
            patch.setattr(settings, "SLIPWAY", changed)
            long = uri.replace("postgres://", "postgresql+psycopg://")
            client, place = MlflowClient(long, long), place and str(root)
        yield odd_store(client, place or None, folder)


def _elsewhere(request: pytest.FixtureRequest, folder: Path, stack: ExitStack) -> tuple[str, str]:
    if request.param == "remote":
        return stack.enter_context(stock_server(folder)), ""
    url = request.getfixturevalue("postgres_url")
    return stack.enter_context(postgres_database(url, "slipway_odd")), "local"


@pytest.fixture
def rows(odd: OddStore, person: Client) -> OddStore:
    """With a pin, a saved view and a choice of what is best."""
    user = get_user_model().objects.get(username="ada")
    pin, view = rows_made(user, odd.place.experiment, odd.place.runs, METRIC)
    return replace(odd, place=replace(odd.place, pin=pin, view=view))


def wrong(call: Call, answer: Any, allowed: set[int]) -> str:
    """What is wrong with an answer: its status, or what was logged acts as HTML."""
    if answer.status_code not in allowed:
        shown = re.sub(rb"<[^>]+>|\s+", b" ", answer.body)[-300:]
        return f"{call}: status {answer.status_code} {shown!r}"
    if answer.get("Content-Type", "").startswith("text/html") and HTML[:14].encode() in answer.body:
        return f"{call}: {HTML[:14]} is not escaped"
    if answer.get("Content-Type", "").startswith("application/json"):
        json.loads(answer.body, parse_constant=_no_constant)
    return ""


def _no_constant(word: str) -> Any:
    raise AssertionError(f"{word} is not JSON")


def all_right(person: Client, calls: Iterator[Call], allowed: set[int]) -> None:
    found = []
    for call in calls:
        answer, _seconds = call.send(person)
        found.append(wrong(call, answer, allowed))
    assert [problem for problem in found if problem] == []


def test_everything_can_be_looked_at(person: Client, rows: OddStore) -> None:
    all_right(person, reads(rows.place), {200, STOPPED})
    empty = replace(rows.place, metric="no/such", param="nor/this", artifact="none.txt")
    all_right(person, run_reads(empty, rows.empty), {200, STOPPED, 404})
    for run_id in (rows.wide, rows.deleted):
        all_right(person, run_reads(rows.place, run_id), {200, STOPPED, 404})
    bare = replace(rows.place, experiment=rows.bare)
    all_right(person, reads(bare), {200, STOPPED, 400, 404, 422})
    gone = replace(rows.place, experiment=rows.gone)
    all_right(person, reads(gone), {200, STOPPED, 400, 404, 422})


def page(person: Client, url: str, **headers: str) -> str:
    """The text of a page as a person reads it, with the values of its forms."""
    answer, _seconds = Call("page", url, headers=headers).send(person)
    assert answer.status_code in {200, STOPPED}, url
    return unescape(re.sub(r"\s+", " ", answer.body.decode()))


def test_the_values_appear(person: Client, rows: OddStore) -> None:
    run_id, _empty, _wide = rows.place.runs
    run, one = f"/runs/{run_id}/", f"/experiments/{rows.place.experiment}/"
    assert NAME in page(person, "/experiments/")
    assert f"gone {NAME}" in page(person, "/experiments/?tab=archived")
    assert NAME in page(person, f"{one}?layout=flat")
    assert NAME in page(person, run)
    parameters = page(person, f"{run}parameters/")
    assert PARAM in parameters
    assert NAME in parameters
    assert LONG in parameters or LONG[:200] in parameters
    table = page(person, f"{run}metrics/table/")
    assert METRIC in table
    for word in ("NaN", "∞", "-∞"):
        assert word in table or word.replace("-", "−") in table, word
    assert NAME in page(person, f"{run}artifacts/preview/?path={FILE.replace('%', '%25')}")
    assert "deep %" in page(person, f"{run}artifacts/tree/")
    assert TAG in page(person, run)
    assert NAME in page(person, "/compare/?" + "&".join(f"run={r}" for r in rows.place.runs))
    assert NAME in page(person, "/search/?q=50+%25/")


def test_the_numbers_are_exact(person: Client, rows: OddStore) -> None:
    run_id = rows.place.runs[0]
    answer, _seconds = Call("csv", f"/runs/{run_id}/metrics/history.csv?key={METRIC}").send(person)
    lines = answer.body.decode().splitlines()
    assert len(lines) == 1 + 7
    text = answer.body.decode().lower()
    for part in ("nan", "inf", "-inf", "1e-300", "1.7e+308", "1099511627776", "-1000000"):
        assert part in text
    found = person.get(f"/api/v1/runs/{run_id}").json()
    assert found["params"]["long"] == LONG
    assert found["params"][PARAM] == NAME
    assert found["metrics"] == {METRIC: -0.25, "nan": None, "up": None, "down": None}
    assert len(person.get(f"/api/v1/runs/{rows.wide}").json()["metrics"]) == 3_001


def test_everything_can_be_changed(person: Client, rows: OddStore) -> None:
    all_right(person, changes(rows.place), {200, 201, 204, 302, 409})
