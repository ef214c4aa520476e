"""The values of a page's runs: plain columns of those runs alone, and only what is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from workspaces.tracking.sql.search import RUN_NAME, tables
from workspaces.tracking.store.database import pieces
from workspaces.tracking.values import OWN_TAGS, Dataset, Only, Run, measured, moment

CONTEXT = "mlflow.data.context"


def runs_of(
    session: Any, run_ids: Sequence[str], only: Only, *, links: bool = True
) -> tuple[Run, ...]:
    """Runs in the order of their ids; those that went meanwhile are left out.

    Args:
        links: read the runs' datasets and logged models as well.
    """
    found: dict[str, Run] = {}
    for ids in pieces(run_ids):
        found |= _piece(session, ids, only, links)
    return tuple(found[run_id] for run_id in run_ids if run_id in found)


def filled(session: Any, runs: Sequence[Run], only: Only) -> tuple[Run, ...]:
    """Runs that are read already, with these values beside those they have."""
    ids = [run.id for run in runs]
    metrics, steps = _metrics(session, ids, only.metrics)
    params = _pairs(session, tables().params, ids, only.params)
    names = None if only.tags is None else tuple(set(only.tags) - set(OWN_TAGS))
    tags = _pairs(session, tables().tags, ids, names)
    return tuple(
        replace(
            run,
            metrics=dict(sorted({**run.metrics, **metrics.get(run.id, {})}.items())),
            steps={**run.steps, **steps.get(run.id, {})},
            params=dict(sorted({**run.params, **params.get(run.id, {})}.items())),
            tags={**run.tags, **tags.get(run.id, {})},
        )
        for run in runs
    )


def _piece(session: Any, ids: list[str], only: Only, links: bool) -> dict[str, Run]:
    from sqlalchemy import select

    runs = tables().runs.c
    metrics, steps = _metrics(session, ids, only.metrics)
    params = _pairs(session, tables().params, ids, only.params)
    tag_names = None if only.tags is None else (*only.tags, *OWN_TAGS)
    tags = _pairs(session, tables().tags, ids, tag_names)
    datasets = _datasets(session, ids) if links else {}
    models = _models(session, ids) if links else {}
    columns = (
        *(runs.run_uuid, runs.name, runs.experiment_id, runs.status, runs.lifecycle_stage),
        *(runs.user_id, runs.start_time, runs.end_time, runs.artifact_uri),
    )
    found = {}
    for row in session.execute(select(*columns).where(runs.run_uuid.in_(ids))):
        run_id, own = row[0], tags.get(row[0], {})
        found[run_id] = Run(
            id=run_id,
            name=row[1] or own.get(RUN_NAME, "") or run_id,
            experiment_id=str(row[2]),
            status=row[3],
            deleted=row[4] == "deleted",
            user=own.get("mlflow.user", "") or row[5] or "",
            started_at=moment(row[6]),
            ended_at=moment(row[7]),
            artifact_uri=row[8] or "",
            params=dict(sorted(params.get(run_id, {}).items())),
            metrics=dict(sorted(metrics.get(run_id, {}).items())),
            tags=own,
            steps=steps.get(run_id, {}),
            datasets=tuple(datasets.get(run_id, {}).values()),
            model_ids=tuple(models.get(run_id, ())),
        )
    return found


def _metrics(
    session: Any, ids: list[str], names: tuple[str, ...] | None
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """Values and steps, by run and key."""
    from sqlalchemy import select

    latest = tables().latest.c
    query = select(latest.run_uuid, latest.key, latest.value, latest.is_nan, latest.step)
    values: dict[str, dict[str, float]] = {}
    steps: dict[str, dict[str, int]] = {}
    for run_id, key, value, is_nan, step in _named(session, query, latest, ids, names):
        values.setdefault(run_id, {})[key] = float("nan") if is_nan else measured(value)
        steps.setdefault(run_id, {})[key] = step
    return values, steps


def _pairs(
    session: Any, table: Any, ids: list[str], names: tuple[str, ...] | None
) -> dict[str, dict[str, str]]:
    from sqlalchemy import select

    query = select(table.c.run_uuid, table.c.key, table.c.value)
    found: dict[str, dict[str, str]] = {}
    for run_id, key, value in _named(session, query, table.c, ids, names):
        found.setdefault(run_id, {})[key] = value or ""
    return found


def _named(
    session: Any, query: Any, columns: Any, ids: list[str], names: tuple[str, ...] | None
) -> Any:
    """Rows of these runs; with names, only those: each then costs one search in the primary key."""
    if names is not None:
        if not names:
            return ()
        query = query.where(columns.key.in_(list(dict.fromkeys(names))))
    return session.execute(query.where(columns.run_uuid.in_(ids)))


def _datasets(session: Any, ids: list[str]) -> dict[str, dict[str, Dataset]]:
    from sqlalchemy import and_, select

    inputs, sets, tags = tables().inputs.c, tables().datasets.c, tables().input_tags.c
    joined = (
        tables()
        .inputs.join(tables().datasets, inputs.source_id == sets.dataset_uuid)
        .outerjoin(
            tables().input_tags, and_(tags.input_uuid == inputs.input_uuid, tags.name == CONTEXT)
        )
    )
    query = (
        select(
            *(inputs.destination_id, sets.dataset_uuid, sets.name, sets.digest),
            *(sets.dataset_source_type, sets.dataset_profile, tags.value),
        )
        .select_from(joined)
        .where(inputs.destination_type == "RUN", inputs.destination_id.in_(ids))
        .order_by(inputs.destination_id)
    )
    found: dict[str, dict[str, Dataset]] = {}
    for run_id, uuid, name, digest, source_type, profile, context in session.execute(query):
        rows = _row_count(profile)
        value = Dataset(name, digest, context or "", source_type or "", rows)
        found.setdefault(run_id, {})[uuid] = value
    return found


def _row_count(profile: str | None) -> int | None:
    try:
        rows = json.loads(profile or "{}").get("num_rows")
    except (ValueError, AttributeError):
        return None
    return rows if isinstance(rows, int) else None


def _models(session: Any, ids: list[str]) -> dict[str, list[str]]:
    from sqlalchemy import select

    inputs = tables().inputs.c
    query = select(inputs.source_id, inputs.destination_id).where(
        inputs.source_type == "RUN_OUTPUT",
        inputs.source_id.in_(ids),
        inputs.destination_type == "MODEL_OUTPUT",
    )
    found: dict[str, list[str]] = {}
    for run_id, model_id in session.execute(query):
        found.setdefault(run_id, []).append(model_id)
    return found
