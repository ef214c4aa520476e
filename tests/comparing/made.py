"""Runs as values, for what needs no store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from workspaces.tracking_values import Run

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
