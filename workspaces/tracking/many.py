"""Many runs at once, in a few queries.

The same gateway as `workspaces.tracking`, for pages that put runs side by side. A number of
queries that does not grow with the runs on a local store; over HTTP one search per experiment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from workspaces.errors import NotFound
from workspaces.tracking import run_get
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import Run, measured, moment, run_value

RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
MOST_EXPERIMENTS = 20  # asked over HTTP for runs of which only the id is known


def runs_read(run_ids: Iterable[str]) -> list[Run]:
    """The runs of these ids in the order given, each once; deleted ones as well, unknown ones not.

    Datasets and logged models are not read.

    Raises:
        Unavailable.
    """
    wanted = [run_id for run_id in dict.fromkeys(run_ids) if RUN_ID.fullmatch(run_id)]
    if not wanted:
        return []
    store, _registry = stores()
    with mlflow_errors():
        if settings.SLIPWAY.tracking_is_remote:
            found = _over_http(store, wanted)
        else:
            found = _from_database(store, wanted)
    return [found[run_id] for run_id in wanted if run_id in found]


def _from_database(store: Any, wanted: Sequence[str]) -> dict[str, Run]:
    """Plain columns of four tables: MLflow's entities take several times as long."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
    from sqlalchemy import select

    def rows(session: Any, table: Any, *columns: Any) -> Any:
        return session.execute(select(*columns).where(table.run_uuid.in_(wanted))).all()

    with store.ManagedSessionMaker() as session:
        heads = rows(session, SqlRun, SqlRun.run_uuid, SqlRun.name, SqlRun.experiment_id,
                     SqlRun.status, SqlRun.lifecycle_stage, SqlRun.user_id, SqlRun.start_time,
                     SqlRun.end_time, SqlRun.artifact_uri)  # fmt: skip
        params = rows(session, SqlParam, SqlParam.run_uuid, SqlParam.key, SqlParam.value)
        tags = rows(session, SqlTag, SqlTag.run_uuid, SqlTag.key, SqlTag.value)
        last = SqlLatestMetric
        metrics = rows(session, last, last.run_uuid, last.key, last.value, last.is_nan, last.step)
    return _runs_of(heads, _grouped(params), _grouped(tags), metrics)


def _grouped(rows: Iterable[Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run_id, key, value in rows:
        found.setdefault(run_id, {})[key] = value or ""
    return found


def _runs_of(
    heads: Iterable[Any],
    params: dict[str, dict[str, str]],
    tags: dict[str, dict[str, str]],
    metrics: Iterable[Any],
) -> dict[str, Run]:
    values: dict[str, dict[str, float]] = {}
    steps: dict[str, dict[str, int]] = {}
    for run_id, key, value, is_nan, step in metrics:
        values.setdefault(run_id, {})[key] = float("nan") if is_nan else measured(value)
        steps.setdefault(run_id, {})[key] = step
    found = {}
    for run_id, name, experiment, status, stage, user, start, end, uri in heads:
        own = tags.get(run_id, {})
        found[run_id] = Run(
            id=run_id,
            name=name or own.get("mlflow.runName", "") or run_id,
            experiment_id=str(experiment),
            status=str(status),
            deleted=stage == "deleted",
            user=own.get("mlflow.user", "") or user or "",
            started_at=moment(start),
            ended_at=moment(end),
            artifact_uri=uri or "",
            params=dict(sorted(params.get(run_id, {}).items())),
            metrics=dict(sorted(values.get(run_id, {}).items())),
            tags=own,
            steps=steps.get(run_id, {}),
        )
    return found


def _over_http(store: Any, wanted: Sequence[str]) -> dict[str, Run]:
    """A search needs the experiment: that of the first run that is missing, until none is."""
    from mlflow.entities import ViewType

    found: dict[str, Run] = {}
    missing = list(wanted)
    for _attempt in range(MOST_EXPERIMENTS):
        if not missing:
            break
        try:
            first = run_get(missing[0])
        except NotFound:
            missing.pop(0)
            continue
        listed = ", ".join(f"'{run_id}'" for run_id in missing)
        page = store.search_runs(
            [first.experiment_id],
            f"attributes.run_id IN ({listed})",
            ViewType.ALL,
            len(missing),
            None,
            None,
        )
        found |= {row.info.run_id: run_value(row) for row in page} | {first.id: first}
        missing = [run_id for run_id in missing if run_id not in found]
    return found
