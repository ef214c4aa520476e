"""Runs as values, for what needs no store; and what is asked of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Engine

from workspaces.tracking.values import Run

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def run(number: int, **changes: Any) -> Run:
    usual: dict[str, Any] = {
        "id": f"{number:032x}",
        "name": f"run {number}",
        "experiment_id": "1",
        "status": "FINISHED",
        "deleted": False,
        "user": "ada",
        "started_at": START + timedelta(minutes=number),
        "ended_at": START + timedelta(minutes=number, seconds=30 + number),
        "artifact_uri": "",
        "params": {},
        "metrics": {},
        "tags": {},
    }
    return Run(**{**usual, **changes})


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of MLflow's database meanwhile."""
    asked: list[str] = []

    def note(_connection, _cursor, statement: str, *_more: object) -> None:
        asked.append(statement)

    sqlalchemy.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sqlalchemy.event.remove(Engine, "before_cursor_execute", note)
