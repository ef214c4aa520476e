"""Lists and searches of models stay as cheap with thousands of them as with hundreds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from sqlalchemy import event

from tests.registry.conftest import Store
from workspaces.tracking.store.opening import stores

FEW, MANY, VERSIONS = 200, 2000, 5
ROUNDS = 15


def test_the_number_of_queries_does_not_depend_on_the_number_of_models(
    store: Store, admin_client: Client
) -> None:
    pages = _pages()
    _fill(store, 0, FEW)
    _seconds(admin_client, pages)  # what is loaded once is not counted
    few = [_queries(admin_client, page) for page in pages]
    _fill(store, FEW, MANY)

    assert [_queries(admin_client, page) for page in pages] == few


@pytest.mark.soak
def test_2000_models_take_at_most_half_longer_than_200(store: Store, admin_client: Client) -> None:
    pages = _pages()
    _fill(store, 0, FEW)
    _seconds(admin_client, pages)
    few = _seconds(admin_client, pages)
    _fill(store, FEW, MANY)
    many = _seconds(admin_client, pages)

    assert {page: many[page] / few[page] for page in pages if many[page] > 1.5 * few[page]} == {}


def _pages() -> list[str]:
    listed = reverse("registry:models")
    api = "/api/v1/models"
    return [
        *(listed, f"{listed}?q=m00019", f"{listed}?q=9", f"{listed}?q=nothing"),
        *(reverse("registry:model", args=["m00019"]), api, f"{api}?search=m00019"),
    ]


def _fill(store: Store, first: int, last: int) -> None:
    """Write models with their versions as MLflow's tables have them: its client takes minutes."""
    now = 1_700_000_000_000
    names = [f"m{number:05}" for number in range(first, last)]
    models = [(name, now + number, now + number) for number, name in enumerate(names, first)]
    versions = [
        (name, str(version), now, now, f"/nowhere/{name}/{version}", "READY", "None")
        for name in names
        for version in range(1, VERSIONS + 1)
    ]
    with closing(sqlite3.connect(store.uri.removeprefix("sqlite:///"))) as database, database:
        columns = "name, creation_time, last_updated_time"
        database.executemany(f"INSERT INTO registered_models ({columns}) VALUES (?, ?, ?)", models)
        columns = "name, version, creation_time, last_updated_time, source, status, current_stage"
        database.executemany(
            f"INSERT INTO model_versions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", versions
        )


def _seconds(client: Client, pages: list[str]) -> dict[str, float]:
    """The least time that each page took; rounds alternate."""
    found: dict[str, list[float]] = {page: [] for page in pages}
    for _ in range(ROUNDS):
        for page in pages:
            begun = time.perf_counter()
            assert client.get(page).status_code == 200
            found[page].append(time.perf_counter() - begun)
    return {page: min(times) for page, times in found.items()}


def _queries(client: Client, page: str) -> int:
    """Queries of the studio's database and of MLflow's, together."""
    with CaptureQueriesContext(connection) as ours, _of_mlflow() as theirs:
        assert client.get(page).status_code == 200
    return len(ours) + len(theirs)


@contextmanager
def _of_mlflow() -> Iterator[list[str]]:
    engine, asked = stores()[1].engine, []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)
