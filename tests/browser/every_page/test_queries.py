"""A list asks its databases as often for a hundred rows as for a few."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from sqlalchemy.engine import Engine

from deployments.models import Service
from tests.browser.every_page.conftest import World
from tests.browser.every_page.crowd_environments import LONGEST

pytestmark = pytest.mark.django_db

FEW, MORE = 8, 100  # Home counts the services that it does not show, once there are some
LISTS = (
    "/",
    "/home/runs/",
    "/experiments/",
    "/experiments/?tab=starred",
    "/experiments/?tab=archived",
    "/experiments/100/",
    "/experiments/100/?layout=tree",
    "/experiments/100/?stage=archived",
    "/experiments/100/board/",
    "/experiments/100/leaderboard/",
    "/compare/",
    "/models/",
    "/models/diabetes-regression/",
    "/models/diabetes-regression/services/",
    "/models/diabetes-regression/versions/1/",
    "/environments/",
    f"/environments/{LONGEST}/",
    "/environments/builds/?part=list",
    "/services/",
    "/targets/",
    "/targets/local/",
    "/admin/overview/",
    "/admin/operations/",
    "/admin/quotas/",
    "/admin/users/",
    "/tokens/",
)


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of the studio's database and of MLflow's meanwhile."""
    asked: list[str] = []

    def note(_connection, _cursor, statement: str, *_more: object) -> None:
        asked.append(statement)

    sqlalchemy.event.listen(Engine, "before_cursor_execute", note)
    try:
        with CaptureQueriesContext(connection) as captured:
            yield asked
        asked += [query["sql"] for query in captured.captured_queries]
    finally:
        sqlalchemy.event.remove(Engine, "before_cursor_execute", note)


def counted(client: Client) -> dict[str, list[str]]:
    found = {}
    for path in LISTS:
        client.get(path)  # what is read once and kept is no matter here
        with statements() as asked:
            answer = client.get(path)
        assert answer.status_code == 200, path
        found[path] = asked
    return found


@pytest.fixture
def counts(fill: Callable[[int], World], admin: User) -> Callable[[int], dict[str, list[str]]]:
    client = Client()
    client.force_login(admin)

    def counts(rows: int) -> dict[str, list[str]]:
        fill(rows)
        assert Service.objects.count() == rows
        return counted(client)

    return counts


@pytest.fixture(scope="module")
def for_few() -> dict[str, list[str]]:
    """Kept from the first test to the second: each has a database of its own."""
    return {}


@pytest.mark.parametrize("rows", [FEW, MORE])
def test_the_number_of_queries_does_not_grow(counts, for_few, rows: int) -> None:
    found = counts(rows)
    if not for_few:
        for_few.update(found)
    grown = {
        path: (len(for_few[path]), len(asked), asked[-3:])
        for path, asked in found.items()
        if len(asked) > len(for_few[path]) and rows == MORE
    }
    assert not grown
