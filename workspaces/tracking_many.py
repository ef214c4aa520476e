"""Many runs at once: their values, and one metric of all of them, in a few queries.

The same gateway as `workspaces.tracking`, for pages that put runs side by side. A number of
queries that does not grow with the runs on a local store; over HTTP one search per experiment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings

from workspaces.errors import NotFound
from workspaces.tracking import metric_history, run_get
from workspaces.tracking_stores import mlflow_errors, stores
from workspaces.tracking_values import History, Point, Run, measured, moment, run_value

RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
MOST_POINTS = 400_000  # of one metric of all the runs, held in memory at once
AT_ONCE = 10_000  # points of a piece
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


def histories_read(
    run_ids: Sequence[str], key: str, *, most: int = MOST_POINTS
) -> dict[str, History]:
    """The values of one metric of many runs, by step then time; runs without any are left out.

    Args:
        most: points of all runs together. Where there are more, each run gets an equal share of
            its first ones and says so in `complete`.
    Raises:
        Unavailable.
    """
    wanted = [run_id for run_id in dict.fromkeys(run_ids) if RUN_ID.fullmatch(run_id)]
    if not wanted:
        return {}
    store, _registry = stores()
    with mlflow_errors():
        if settings.SLIPWAY.tracking_is_remote:
            return _histories_over_http(wanted, key, most)
        return _histories_from_database(store, wanted, key, most)


def _histories_over_http(wanted: Sequence[str], key: str, most: int) -> dict[str, History]:
    def read(run_id: str) -> History | None:
        try:
            return metric_history(run_id, key, most=most // len(wanted))
        except NotFound:
            return None

    with ThreadPoolExecutor(max_workers=8) as pool:
        read_all = dict(zip(wanted, pool.map(read, wanted), strict=True))
    return {run_id: found for run_id, found in read_all.items() if found and found.points}


def _histories_from_database(
    store: Any, wanted: Sequence[str], key: str, most: int
) -> dict[str, History]:
    from mlflow.store.tracking.dbmodels.models import SqlMetric
    from sqlalchemy import func, select

    here = (SqlMetric.run_uuid.in_(wanted), SqlMetric.key == key)
    columns = (SqlMetric.run_uuid, SqlMetric.step, SqlMetric.timestamp, SqlMetric.value,
               SqlMetric.is_nan)  # fmt: skip
    order = (SqlMetric.step, SqlMetric.timestamp, SqlMetric.value)
    with store.ManagedSessionMaker() as session:
        counted = select(SqlMetric.run_uuid, func.count()).where(*here)
        counts = dict(session.execute(counted.group_by(SqlMetric.run_uuid)).all())
        if sum(counts.values()) <= most:
            query = select(*columns).where(*here).order_by(SqlMetric.run_uuid, *order)
            rows = session.execute(query).all()
        else:
            rows = []
            for run_id in counts:
                mine = (SqlMetric.run_uuid == run_id, SqlMetric.key == key)
                query = select(*columns).where(*mine).order_by(*order)
                rows += session.execute(query.limit(most // len(counts))).all()
    return _histories_of(key, rows, counts)


def _histories_of(key: str, rows: Iterable[Any], counts: dict[str, int]) -> dict[str, History]:
    nan = float("nan")
    points: dict[str, list[Point]] = {}
    for run_id, step, at, value, is_nan in rows:
        point = Point(step, at, nan if is_nan else measured(value))
        points.setdefault(run_id, []).append(point)
    return {
        run_id: History(key, tuple(found), len(found) == counts[run_id])
        for run_id, found in points.items()
    }


def history_rows(run_id: str, key: str) -> Iterator[tuple[int, int, float]]:
    """Every point of a metric, however many: (step, milliseconds since 1970, value).

    By step, then time (a remote server's own order: time, then step); read piece by piece.

    Raises:
        NotFound, Unavailable: when a piece is read.
    """
    store, _registry = stores()
    with mlflow_errors():
        if settings.SLIPWAY.tracking_is_remote:
            yield from _rows_over_http(store, run_id, key)
        else:
            yield from _rows_from_database(store, run_id, key)


def _rows_from_database(store: Any, run_id: str, key: str) -> Iterator[tuple[int, int, float]]:
    from mlflow.store.tracking.dbmodels.models import SqlMetric
    from sqlalchemy import select

    query = (
        select(SqlMetric.step, SqlMetric.timestamp, SqlMetric.value, SqlMetric.is_nan)
        .where(SqlMetric.run_uuid == run_id, SqlMetric.key == key)
        .order_by(SqlMetric.step, SqlMetric.timestamp, SqlMetric.value)
        .execution_options(yield_per=AT_ONCE)
    )
    with store.ManagedSessionMaker() as session:
        for step, at, value, is_nan in session.execute(query):
            yield step, at, float("nan") if is_nan else measured(value)


def _rows_over_http(store: Any, run_id: str, key: str) -> Iterator[tuple[int, int, float]]:
    token: str | None = None
    while True:
        page = store.get_metric_history(run_id, key, max_results=AT_ONCE, page_token=token)
        yield from ((row.step, row.timestamp, measured(row.value)) for row in page)
        token = page.token or None
        if token is None:
            return
