"""What the pages of experiments and runs show, read through the gateway to MLflow."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from studio.experiments.columns import (
    Column,
    cell,
    column_parse,
    columns_available,
    columns_default,
    columns_parse,
    order_parse,
)
from workspaces import tracking
from workspaces.errors import Invalid, Problem
from workspaces.tracking_values import Activity, Experiment, Page, Run

SIZES = (25, 50, 100)
EXPERIMENT_ORDERS = {"name": "name", "created": "creation_time", "updated": "last_update_time"}


@dataclass(frozen=True)
class ListQuery:
    """A list's state in the query string; what cannot be used falls back to the default."""

    token: str = ""
    size: int = 50
    sort: str = ""
    text: str = ""
    filter: str = ""
    columns: tuple[Column, ...] = ()

    @classmethod
    def of(cls, parameters: QueryDict) -> ListQuery:
        size = parameters.get("size", "")
        return cls(
            token=parameters.get("page_token", ""),
            size=int(size) if size in {str(n) for n in SIZES} else 50,
            sort=parameters.get("sort", ""),
            text=parameters.get("q", "").strip(),
            filter=parameters.get("filter", "").strip(),
            columns=columns_parse(parameters.getlist("column")),
        )


def offset_of(token: str) -> int | None:
    """Where MLflow's page token starts; None when the token is not MLflow's usual one."""
    if not token:
        return 0
    try:
        offset = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return offset if isinstance(offset, int) and offset >= 0 else None


def token_of(offset: int) -> str:
    """MLflow's page token for an offset; empty for the first page."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode() if offset else ""


@dataclass(frozen=True)
class Paging:
    """Foot of a cursor-paged list: URLs of the neighbours and "51–100 of 230"."""

    previous: str
    next: str
    text: str


def paging(parameters: QueryDict, page: Page[Any], size: int, total: int | None = None) -> Paging:
    token = parameters.get("page_token", "")
    start = offset_of(token)
    previous = ""
    if token:
        previous = _url(parameters, token_of(max((start or 0) - size, 0)))
    return Paging(
        previous=previous,
        next=_url(parameters, page.next_token) if page.next_token else "",
        text=_range_text(start, len(page.items), total),
    )


def _range_text(start: int | None, count: int, total: int | None) -> str:
    if start is None or not count:
        return ""
    words = {"first": number_format(start + 1), "last": number_format(start + count)}
    if total is None or total < start + count:
        return _("%(first)s–%(last)s") % words
    return _("%(first)s–%(last)s of %(total)s") % {**words, "total": number_format(total)}


def _url(parameters: QueryDict, token: str) -> str:
    changed = parameters.copy()
    changed.pop("page_token", None)
    if token:
        changed["page_token"] = token
    return "?" + changed.urlencode()


# --- experiments ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExperimentRow:
    experiment: Experiment
    activity: Activity | None  # None: not loaded yet


def experiments_page(
    query: ListQuery, *, with_activity: bool
) -> tuple[list[ExperimentRow], Page[Experiment]]:
    """Experiments of one page, with run counts when that is cheap or asked for."""
    key = EXPERIMENT_ORDERS.get(query.sort.removeprefix("-"))
    order = f"{key} {'DESC' if query.sort.startswith('-') else 'ASC'}" if key else None
    page = tracking.experiments_search(
        text=query.text,
        page_token=query.token,
        order=order or "last_update_time DESC",
        limit=query.size,
    )
    counted: dict[str, Activity] = {}
    if with_activity:
        counted = tracking.experiments_activity(row.id for row in page.items)
    return [ExperimentRow(row, counted.get(row.id)) for row in page.items], page


# --- runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunRow:
    run: Run
    cells: tuple[tuple[Column, Any], ...]


@dataclass(frozen=True)
class RunsTable:
    columns: tuple[Column, ...] = ()
    rows: tuple[RunRow, ...] = ()
    available: list[tuple[str, list[Column]]] = field(default_factory=list)
    page: Page[Run] = field(default_factory=lambda: Page(()))
    problem: Problem | None = None
    total: int | None = None

    @property
    def chosen(self) -> set[str]:
        return {column.name for column in self.columns}


def runs_table(experiment_id: str, query: ListQuery, remembered: Sequence[str] = ()) -> RunsTable:
    """The runs of one page. A wrong filter or page is in `problem`, with no rows.

    Args:
        remembered: columns this person chose before; used when the query names none.
    Raises: Unavailable.
    """
    chosen = query.columns or columns_parse(remembered)
    try:
        page = tracking.runs_search(
            experiment_ids=[experiment_id],
            filter=query.filter,
            order_by=order_parse(query.sort),
            page_token=query.token,
            limit=query.size,
        )
    except Invalid as problem:
        columns = chosen or columns_default([])
        return RunsTable(columns, (), columns_available([], columns), problem=problem)
    columns = chosen or columns_default(page.items)
    rows = tuple(RunRow(run, tuple((c, cell(run, c)) for c in columns)) for run in page.items)
    return RunsTable(
        columns,
        rows,
        columns_available(page.items, columns),
        page,
        total=_total(experiment_id, query),
    )


def _total(experiment_id: str, query: ListQuery) -> int | None:
    """How many runs there are, where counting is one cheap query."""
    if query.filter or not tracking.activity_is_cheap():
        return None
    return tracking.experiments_activity([experiment_id])[experiment_id].runs


def columns_remember(session: Any, experiment_id: str, columns: Sequence[Column]) -> None:
    """Keeps the chosen columns of the experiments somebody looked at last."""
    kept: dict[str, list[str]] = session.get("run_columns", {})
    names = [column.name for column in columns]
    if not names or kept.get(experiment_id) == names:
        return
    kept.pop(experiment_id, None)
    kept[experiment_id] = names
    session["run_columns"] = dict(list(kept.items())[-50:])


def columns_forget(session: Any, experiment_id: str) -> None:
    kept = session.get("run_columns", {})
    if experiment_id in kept:
        session["run_columns"] = {key: kept[key] for key in kept if key != experiment_id}


def sort_known(sort: str) -> bool:
    column = column_parse(sort.removeprefix("-"))
    return column is not None and bool(column.order_key)
