"""Stores whose rows a test writes itself, and what MLflow's own store answers about them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from workspaces.tracking.values import EVERYTHING, Only, Page, Run, narrowed, run_value

TABLES = (
    *("input_tags", "inputs", "datasets", "latest_metrics", "metrics", "params", "tags"),
    *("logged_models", "runs"),
)


@contextmanager
def postgres_database(url: str, name: str) -> Iterator[str]:
    """An empty database of its own beside the tests'; gives its URL."""
    import psycopg

    name = f"{name}_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[arg-type]
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[arg-type]


def fill(engine: Any, runs: Sequence[dict[str, Any]], experiments: Sequence[int]) -> None:
    """Replace all runs of a store.

    Args:
        runs: columns of `runs`, and "metrics", "params", "tags", "datasets", "models".
    """
    from sqlalchemy import text

    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for run in runs:
        _rows_of(run, rows)
    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("DELETE FROM experiments WHERE experiment_id > 0"))
        for experiment in experiments:
            connection.execute(
                text(
                    "INSERT INTO experiments (experiment_id, name, lifecycle_stage) "
                    "VALUES (:id, :name, 'active')"
                ),
                {"id": experiment, "name": f"experiment {experiment}"},
            )
        for table in reversed(TABLES):
            if rows[table]:
                names = list(rows[table][0])
                values = ", ".join(f":{name}" for name in names)
                connection.execute(
                    text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"),
                    rows[table],
                )


def _rows_of(run: dict[str, Any], rows: dict[str, list[dict[str, Any]]]) -> None:
    run_id = run["run_uuid"]
    plain = {"status": "FINISHED", "lifecycle_stage": "active", "end_time": None, "name": ""}
    kinds = ("metrics", "params", "tags", "datasets", "models")
    plain |= {"artifact_uri": "", "user_id": "", "source_type": "UNKNOWN"}
    rows["runs"].append(plain | {key: run[key] for key in run if key not in kinds})
    for key, value in run.get("metrics", {}).items():
        nan = math.isnan(value)
        stored = 0.0 if nan else math.copysign(min(abs(value), 1.7976931348623157e308), value)
        row = {"key": key, "value": stored, "is_nan": nan, "run_uuid": run_id}
        rows["latest_metrics"].append({**row, "timestamp": 5, "step": 3})
    for kind in ("params", "tags"):
        for key, value in run.get(kind, {}).items():
            rows[kind].append({"key": key, "value": value, "run_uuid": run_id})
    for number, (name, context) in enumerate(run.get("datasets", ())):
        _dataset(run, f"{run_id}{number}", name, context, rows)
    for model in run.get("models", ()):
        link = {"source_type": "RUN_OUTPUT", "source_id": run_id}
        link |= {"destination_type": "MODEL_OUTPUT", "destination_id": model}
        rows["inputs"].append({"input_uuid": f"{run_id}{model}"[:36], **link})


def _dataset(
    run: dict[str, Any], uuid: str, name: str, context: str, rows: dict[str, list[dict[str, Any]]]
) -> None:
    rows["datasets"].append(
        {
            "dataset_uuid": uuid,
            "experiment_id": run["experiment_id"],
            "name": name,
            "digest": uuid,
            "dataset_source_type": "local",
            "dataset_source": "{}",
            "dataset_profile": '{"num_rows": 7}',
        }
    )
    link = {"source_type": "DATASET", "source_id": uuid}
    link |= {"destination_type": "RUN", "destination_id": run["run_uuid"]}
    rows["inputs"].append({"input_uuid": uuid, **link})
    if context:
        tag = {"input_uuid": uuid, "name": "mlflow.data.context", "value": context}
        rows["input_tags"].append(tag)


def asked_of_mlflow(
    store: Any,
    experiments: Sequence[str],
    view: str,
    filter: str,
    order_by: Sequence[str],
    token: str,
    limit: int,
    only: Only = EVERYTHING,
) -> Page[Run]:
    """What MLflow's own store answers, as our values."""
    from mlflow.entities import ViewType

    found = store.search_runs(
        list(experiments),
        filter,
        ViewType.from_string({"active": "active_only", "deleted": "deleted_only"}.get(view, view)),
        limit,
        list(order_by) or None,
        token or None,
    )
    runs = tuple(narrowed(run_value(row), only) for row in found)
    next_token = found.token or ""
    return Page(runs, next_token.decode() if isinstance(next_token, bytes) else next_token)


def comparable(page: Page[Run]) -> tuple[list[dict[str, Any]], str]:
    """A page as plain values in which NaN equals itself."""
    return [
        {
            **{name: getattr(run, name) for name in run.__dataclass_fields__},
            "metrics": {key: repr(value) for key, value in run.metrics.items()},
            "datasets": sorted(map(repr, run.datasets)),
            "model_ids": sorted(run.model_ids),
        }
        for run in page.items
    ], page.next_token
