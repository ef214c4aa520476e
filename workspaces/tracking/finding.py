"""Finding experiments and runs: what the lists, completion and the global search ask MLflow.

Beside `workspaces.tracking`, with the same values and the same errors. The built-in store is asked
by narrow SQL over MLflow's own tables, a remote server by its API.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from workspaces.deadline import in_threads
from workspaces.errors import NotFound
from workspaces.tracking import experiment_get, experiments_search, runs_search
from workspaces.tracking.offsets import offset_of, page_of
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import (
    Activity,
    Experiment,
    Page,
    experiment_value,
    moment,
)

SEARCHED_EXPERIMENTS = 500  # over HTTP, runs are searched in the experiments changed last
HEX = frozenset("0123456789abcdef")
ORDERS = ("name", "creation_time", "last_update_time", "activity")


@dataclass(frozen=True)
class FoundRun:
    """A run of the global search: enough to link to it."""

    id: str
    name: str
    experiment_id: str


def order_is_known(order: str) -> bool:
    """Whether experiments of this store can be ordered by that key; by activity only locally."""
    return order in ORDERS and not (order == "activity" and settings.SLIPWAY.tracking_is_remote)


def experiments_find(
    *,
    text: str = "",
    tags: Sequence[tuple[str, str | None]] = (),
    archived: bool = False,
    order: str = "last_update_time",
    descending: bool = True,
    page_token: str = "",
    limit: int = 50,
) -> Page[Experiment]:
    """Experiments whose name contains `text`, whatever its case, and that have all of `tags`.

    Args:
        tags: key and value; None is any value.
        archived: those that are deleted in MLflow, instead of the active ones.
        order: one of ORDERS; what this store cannot order by is last_update_time.
    Raises:
        Invalid: on "page_token"; Unavailable.
    """
    order = order if order_is_known(order) else "last_update_time"
    if settings.SLIPWAY.tracking_is_remote:
        return _find_over_http(text, tags, archived, order, descending, page_token, limit)
    store, _registry = stores()
    offset = offset_of(page_token)
    with mlflow_errors(field="page_token"), store.ManagedSessionMaker() as session:
        from mlflow.store.tracking.dbmodels.models import SqlExperiment

        query = _with_tags(session).filter(
            SqlExperiment.lifecycle_stage == ("deleted" if archived else "active")
        )
        if clean := _clean(text):
            query = query.filter(SqlExperiment.name.icontains(clean, autoescape=True))
        for key, value in tags:
            query = query.filter(_has_tag(key, value))
        query = _ordered(query, order, descending)
        rows = query.offset(offset).limit(limit + 1).all()
        return page_of([experiment_value(row.to_mlflow_entity()) for row in rows], offset, limit)


def _with_tags(session: Any) -> Any:
    from mlflow.store.tracking.dbmodels.models import SqlExperiment
    from sqlalchemy.orm import selectinload

    return session.query(SqlExperiment).options(selectinload(SqlExperiment.tags))


def _has_tag(key: str, value: str | None) -> Any:
    from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlExperimentTag
    from sqlalchemy import select

    found = select(SqlExperimentTag.key).where(
        SqlExperimentTag.experiment_id == SqlExperiment.experiment_id,
        SqlExperimentTag.key == key.replace("\x00", ""),
    )
    if value is not None:
        found = found.where(SqlExperimentTag.value == value.replace("\x00", ""))
    return found.exists()


def _ordered(query: Any, order: str, descending: bool) -> Any:
    from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlRun
    from sqlalchemy import func, select

    if order == "activity":  # one look into an index of runs for each experiment
        last = (
            select(func.max(SqlRun.start_time))
            .where(SqlRun.experiment_id == SqlExperiment.experiment_id)
            .where(SqlRun.lifecycle_stage == SqlExperiment.lifecycle_stage)
            .correlate(SqlExperiment)
            .scalar_subquery()
        )
        column: Any = func.coalesce(last, 0)
    else:
        column = getattr(SqlExperiment, order)
    return query.order_by(column.desc() if descending else column, SqlExperiment.experiment_id)


def _find_over_http(
    text: str,
    tags: Sequence[tuple[str, str | None]],
    archived: bool,
    order: str,
    descending: bool,
    page_token: str,
    limit: int,
) -> Page[Experiment]:
    store, _registry = stores()
    from mlflow.entities import ViewType

    with mlflow_errors(field="page_token"):
        found = store.search_experiments(
            view_type=ViewType.DELETED_ONLY if archived else ViewType.ACTIVE_ONLY,
            max_results=limit,
            filter_string=_experiment_filter(text, tags) or None,
            order_by=[f"{order} {'DESC' if descending else 'ASC'}"],
            page_token=page_token or None,
        )
    return Page(tuple(experiment_value(row) for row in found), str(found.token or ""))


def _experiment_filter(text: str, tags: Sequence[tuple[str, str | None]]) -> str:
    """MLflow's filter; what it cannot quote becomes "any one character"."""
    clauses = []
    if clean := _quotable(_clean(text)):
        clauses.append(f"name ILIKE '%{clean}%'")
    for key, value in tags:
        name = f"tags.`{key.replace('`', '')}`"
        like = "LIKE '%'" if value is None else f"= '{_quotable(value)}'"
        clauses.append(f"{name} {like}")
    return " AND ".join(clauses)


def _clean(text: str) -> str:
    return "".join(char for char in text.strip() if char.isprintable())[:200]


def _quotable(text: str) -> str:
    return "".join("_" if char in "'\\" else char for char in text)


def experiments_by_id(ids: Collection[str]) -> dict[str, Experiment]:
    """Experiments that still exist, archived ones as well; over HTTP one call each."""
    wanted = [one for one in ids if one.isdigit() or settings.SLIPWAY.tracking_is_remote]
    if settings.SLIPWAY.tracking_is_remote:
        asked = in_threads(_experiment_or_none, wanted, at_once=8)
        return {one.id: one for one in asked if one is not None}
    store, _registry = stores()
    with mlflow_errors(), store.ManagedSessionMaker() as session:
        from mlflow.store.tracking.dbmodels.models import SqlExperiment

        numbers = [int(one) for one in wanted if int(one) < 2**63]
        rows = _with_tags(session).filter(SqlExperiment.experiment_id.in_(numbers)).all()
        values = [experiment_value(row.to_mlflow_entity()) for row in rows]
    return {one.id: one for one in values}


def _experiment_or_none(experiment_id: str) -> Experiment | None:
    try:
        return experiment_get(experiment_id)
    except NotFound:
        return None


def archived_activity(ids: Iterable[str]) -> dict[str, Activity]:
    """Counts and last starts of the runs that were archived, of archived experiments."""
    wanted = list(ids)
    if settings.SLIPWAY.tracking_is_remote:
        return {one: Activity(None, None) for one in wanted}
    store, _registry = stores()
    with mlflow_errors(), store.ManagedSessionMaker() as session:
        from mlflow.store.tracking.dbmodels.models import SqlRun
        from sqlalchemy import func, select

        rows = session.execute(
            select(SqlRun.experiment_id, func.count(), func.max(SqlRun.start_time))
            .where(SqlRun.experiment_id.in_([int(one) for one in wanted]))
            .where(SqlRun.lifecycle_stage == "deleted")
            .group_by(SqlRun.experiment_id)
        ).all()
    counted = {str(row[0]): Activity(row[1], moment(row[2])) for row in rows}
    return {one: counted.get(one, Activity(0, None)) for one in wanted}


def experiment_tag_keys(limit: int = 200) -> list[str]:
    """Keys of tags that experiments have, without MLflow's own."""
    if settings.SLIPWAY.tracking_is_remote:
        found = {key for row in experiments_search(limit=200).items for key in row.own_tags}
        return sorted(found)[:limit]
    store, _registry = stores()
    with mlflow_errors(), store.ManagedSessionMaker() as session:
        from mlflow.store.tracking.dbmodels.models import SqlExperimentTag

        rows = (
            session.query(SqlExperimentTag.key)
            .filter(~SqlExperimentTag.key.startswith("mlflow."))
            .distinct()
            .order_by(SqlExperimentTag.key)
            .limit(limit)
        )
        return [row[0] for row in rows]


def runs_named(text: str, limit: int = 6) -> list[FoundRun]:
    """Active runs whose name contains `text` or whose id starts with it, the newest first."""
    clean = _clean(text)
    if not clean:
        return []
    if settings.SLIPWAY.tracking_is_remote:
        return _runs_named_over_http(clean, limit)
    store, _registry = stores()
    with mlflow_errors(), store.ManagedSessionMaker() as session:
        from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlRun
        from sqlalchemy import or_, select

        match = SqlRun.name.icontains(clean, autoescape=True)
        if set(clean.lower()) <= HEX:
            match = or_(match, SqlRun.run_uuid.startswith(clean.lower(), autoescape=True))
        rows = session.execute(
            select(SqlRun.run_uuid, SqlRun.name, SqlRun.experiment_id)
            .join(SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id)
            .where(match, SqlRun.lifecycle_stage == "active")
            .where(SqlExperiment.lifecycle_stage == "active")
            .order_by(SqlRun.start_time.desc())
            .limit(limit)
        ).all()
    return [FoundRun(row[0], row[1] or row[0], str(row[2])) for row in rows]


def _runs_named_over_http(clean: str, limit: int) -> list[FoundRun]:
    ids = [row.id for row in experiments_search(limit=SEARCHED_EXPERIMENTS).items]
    if not ids:
        return []
    filters = [f"attributes.run_name ILIKE '%{_quotable(clean)}%'"]
    if set(clean.lower()) <= HEX:
        filters.insert(0, f"attributes.run_id LIKE '{clean.lower()}%'")
    found: dict[str, FoundRun] = {}
    for one in filters:
        page = runs_search(experiment_ids=ids, filter=one, limit=limit)
        found |= {run.id: FoundRun(run.id, run.name, run.experiment_id) for run in page.items}
    return list(found.values())[:limit]
