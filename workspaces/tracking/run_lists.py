"""Whole lists of runs for the pages that show and export them. Beside `workspaces.tracking`.

What MLflow has no call for: the names that most of some runs have, the order of durations, and
every run of a list without all of them in memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings

from workspaces.tracking.offsets import offset_of, page_of
from workspaces.tracking.runs import LONGEST_FILTER, runs_search
from workspaces.tracking.sql.pages import page_ids
from workspaces.tracking.sql.rows import filled, runs_of
from workspaces.tracking.sql.search import Search, View, search_of, tables
from workspaces.tracking.store.database import pieces, reading
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import Only, Page, Run

ASCENDING, DESCENDING = ("duration",), ("-duration",)  # what MLflow has no words for
MOST_EXPORTED = 2_000_000  # ids in memory at once


def commonest_names(run_ids: Sequence[str], most: int) -> dict[str, list[str]] | None:
    """Names of the metrics and parameters that most of these runs have, the commonest first.

    Returns: by "metrics" and "params"; None with a remote server, whose runs come whole anyway.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return None
    from sqlalchemy import func, select

    found = {}
    with reading() as session:
        for kind, table in (("metrics", tables().latest), ("params", tables().params)):
            counted = (
                select(table.c.key)
                .where(table.c.run_uuid.in_(list(run_ids)))
                .group_by(table.c.key)
                .order_by(func.count().desc(), table.c.key)
                .limit(most)
            )
            found[kind] = list(session.execute(counted).scalars()) if run_ids else []
    return found


def runs_with_values(run_ids: Sequence[str], only: Only) -> tuple[Run, ...]:
    """These runs of the built-in store with the values that are wanted, in this order."""
    with reading() as session:
        return runs_of(session, run_ids, only)


def runs_filled(runs: Sequence[Run], only: Only) -> tuple[Run, ...]:
    """Runs of the built-in store, read before, with the values that are wanted as well."""
    with reading() as session:
        return filled(session, runs, only)


def runs_by_duration(
    *,
    experiment_id: str,
    filter: str,
    descending: bool,
    page_token: str,
    limit: int,
    view: View,
    only: Only,
) -> Page[Run] | None:
    """Runs by how long they took or, going on, take already; None where MLflow alone can answer.

    MLflow itself cannot order by it.
    Raises: Invalid on "filter" and "page_token", Unavailable.
    """
    offset = offset_of(page_token) if not settings.SLIPWAY.tracking_is_remote else 0
    order = DESCENDING if descending else ASCENDING
    ids = ids_of(experiment_id, filter, order, view, offset, limit + 1)
    if ids is None:
        return None
    page = page_of(ids, offset, limit)
    return Page(runs_with_values(page.items, only), page.next_token)


def runs_in_pieces(
    *,
    experiment_id: str,
    filter: str,
    order_by: Sequence[str],
    view: View,
    only: Only,
    size: int,
) -> Iterator[tuple[Run, ...]]:
    """Every run of a list, `size` in memory at a time.

    The built-in store is asked for all ids first, so that runs which come or go meanwhile neither
    double a row nor lose one; a remote server is asked page after page.
    Args:
        order_by: MLflow's words, or one of ASCENDING and DESCENDING for the duration.
    Raises: Invalid on "filter", Unavailable.
    """
    ids = ids_of(experiment_id, filter, order_by, view, 0, MOST_EXPORTED)
    if ids is not None:
        for part in pieces(ids, size):
            yield runs_with_values(part, only)
        return
    token: str | None = ""
    while token is not None:
        page = runs_search(
            experiment_ids=[experiment_id],
            filter=filter,
            order_by=[] if order_by in (ASCENDING, DESCENDING) else order_by,
            view=view,
            only=only,
            page_token=token,
            limit=size,
        )
        yield page.items
        token = page.next_token or None


def ids_of(
    experiment_id: str,
    filter: str,
    order_by: Sequence[str],
    view: View,
    offset: int,
    most: int,
) -> list[str] | None:
    """Ids of the runs of a list in its order; None where only MLflow itself can answer.

    Raises: Invalid on "filter", Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote or len(filter) > LONGEST_FILTER or "\x00" in filter:
        return None
    store, _registry = stores()
    dialect = str(store.engine.dialect.name)
    by_duration = order_by in (ASCENDING, DESCENDING)
    with mlflow_errors(field="filter"):
        order = () if by_duration else order_by
        search = search_of([experiment_id], view, filter, order, dialect)
    if search is None:
        return None
    with reading(field="filter") as session:
        if by_duration:
            return _ids_by_duration(session, search, order_by == DESCENDING, offset, most)
        return page_ids(session, search, offset, most)


def _ids_by_duration(
    session: Any, search: Search, descending: bool, offset: int, most: int
) -> list[str]:
    from sqlalchemy import case, select

    runs = tables().runs.c
    now = int(time.time() * 1000)
    took = case(
        (runs.end_time.is_not(None), runs.end_time - runs.start_time),
        (runs.status.in_(("RUNNING", "SCHEDULED")), now - runs.start_time),
        else_=None,
    )
    query = (
        select(runs.run_uuid)
        .where(runs.experiment_id.in_(search.experiments))
        .where(runs.lifecycle_stage.in_(search.stages), *search.conditions)
        .order_by(took.is_(None), took.desc() if descending else took)
        .order_by(runs.start_time.desc(), runs.run_uuid)
        .offset(offset)
        .limit(most)
    )
    return list(session.execute(query).scalars())
