"""Searches and counts of runs in the built-in store: narrow SQL in place of MLflow's entities.

First the ids of the page, along an index; then the values of those runs alone. The answers are
those of MLflow's own store (property tests), and what cannot be said this way is left to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from workspaces.tracking.sql.pages import page_ids, runs_counted
from workspaces.tracking.sql.rows import runs_of
from workspaces.tracking.sql.search import View, search_of
from workspaces.tracking.store.database import reading
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import Only, Page, Run

MOST_RUNS = 50_000  # of one page, as MLflow has it


def runs_page(
    experiment_ids: Sequence[str],
    view: View,
    filter: str,
    order_by: Sequence[str],
    page_token: str,
    limit: int,
    only: Only,
) -> Page[Run] | None:
    """One page of runs, or None: MLflow's own store must answer.

    See `workspaces.tracking.runs_search`, which has looked at the order and the token already.
    Raises:
        Invalid: on "filter" with MLflow's message; Unavailable.
    """
    store, _registry = stores()
    with mlflow_errors(field="filter"):
        from mlflow.utils.search_utils import SearchUtils

        dialect = str(store.engine.dialect.name)
        search = search_of(experiment_ids, view, filter, order_by, dialect)
        offset = SearchUtils.parse_start_offset_from_page_token(page_token or None)
    if search is None or not 0 < limit <= MOST_RUNS:
        return None
    with reading(field="filter") as session:
        ids = page_ids(session, search, offset, limit + 1)
        runs = runs_of(session, ids[:limit], only)
    more = len(ids) > limit
    return Page(runs, SearchUtils.create_page_token(offset + limit).decode() if more else "")


def matching_count(experiment_ids: Sequence[str], view: View, filter: str, most: int) -> int | None:
    """How many runs a filter leaves, no more than `most`; None: only MLflow's own store knows.

    Raises:
        Invalid: on "filter" with MLflow's message; Unavailable.
    """
    store, _registry = stores()
    with mlflow_errors(field="filter"):
        search = search_of(experiment_ids, view, filter, (), str(store.engine.dialect.name))
    if search is None:
        return None
    with reading(field="filter") as session:
        return runs_counted(session, search, most)
