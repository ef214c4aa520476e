"""What the pages of experiments and runs show, read through the gateway to MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from studio.experiments.filters import Fault, clause_text, fault_of
from workspaces import tracking
from workspaces.errors import Invalid, NotFound, Problem
from workspaces.tracking_finding import PARENT, archived_runs_search, children_counts
from workspaces.tracking_offsets import offset_read as offset_of
from workspaces.tracking_offsets import token_of
from workspaces.tracking_values import Page, Run

SIZES = (25, 50, 100)
DENSITIES = ("comfortable", "compact")
LAYOUTS = ("tree", "flat")
ROOTS = f"tags.`{PARENT}` IS NULL"
CHILDREN_SHOWN = 50


@dataclass(frozen=True)
class ListQuery:
    """A list's state in the query string; what cannot be used falls back to the default."""

    token: str = ""
    size: int = 50
    sort: str = ""
    text: str = ""
    filter: str = ""
    columns: tuple[Column, ...] = ()
    density: str = ""
    layout: str = ""  # "": a tree while nothing is filtered or sorted, and some run has a parent
    archived: bool = False

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
            density=_one_of(parameters.get("density", ""), DENSITIES),
            layout=_one_of(parameters.get("layout", ""), LAYOUTS),
            archived=parameters.get("stage") == "archived",
        )


def _one_of(value: str, known: Sequence[str]) -> str:
    return value if value in known else ""


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


# --- runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunRow:
    """A run of the table. `children`: how many runs it has below it; None when not known."""

    run: Run
    cells: tuple[tuple[Column, Any], ...]
    children: int | None = 0
    depth: int = 0


@dataclass(frozen=True)
class RunsTable:
    columns: tuple[Column, ...] = ()
    rows: tuple[RunRow, ...] = ()
    available: list[tuple[str, list[Column]]] = field(default_factory=list)
    page: Page[Run] = field(default_factory=lambda: Page(()))
    problem: Problem | None = None
    fault: Fault | None = None  # where the filter is wrong
    total: int | None = None
    is_tree: bool = False

    @property
    def chosen(self) -> set[str]:
        return {column.name for column in self.columns}

    @property
    def live_ids(self) -> list[str]:
        return [row.run.id for row in self.rows if row.run.is_open]


def runs_table(experiment_id: str, query: ListQuery, remembered: Sequence[str] = ()) -> RunsTable:
    """The runs of one page. A wrong filter or page is in `problem`, with no rows.

    Args:
        remembered: columns this person chose before; used when the query names none.
    Raises: Unavailable.
    """
    chosen = query.columns or columns_parse(remembered)
    try:
        page, is_tree = _page(experiment_id, query)
    except Invalid as problem:
        columns = chosen or columns_default([])
        fault = fault_of(query.filter, problem.message) if "filter" in problem.fields else None
        available = columns_available([], columns)
        return RunsTable(columns, (), available, problem=problem, fault=fault)
    columns = chosen or columns_default(page.items)
    children: Mapping[str, int | None] = {}
    if is_tree:
        children = children_counts(experiment_id, [run.id for run in page.items])
    return RunsTable(
        columns,
        rows_of(page.items, columns, children),
        columns_available(page.items, columns),
        page,
        total=None if is_tree else _total(experiment_id, query),
        is_tree=is_tree,
    )


def rows_of(
    runs: Sequence[Run],
    columns: Sequence[Column],
    children: Mapping[str, int | None] | None = None,
    depth: int = 0,
) -> tuple[RunRow, ...]:
    """Runs as rows of the table."""
    known = children or {}
    return tuple(
        RunRow(run, tuple((c, cell(run, c)) for c in columns), known.get(run.id, 0), depth)
        for run in runs
    )


def columns_of(
    chosen: Sequence[Column], remembered: Sequence[str], runs: Sequence[Run]
) -> tuple[Column, ...]:
    """The columns of a table: chosen now, else remembered, else the usual ones of these runs."""
    return tuple(chosen) or columns_parse(remembered) or columns_default(runs)


def _page(experiment_id: str, query: ListQuery) -> tuple[Page[Run], bool]:
    """The runs of a page, and whether they are the roots of a tree."""
    if query.archived or query.layout == "flat":
        return runs_page(experiment_id, query), False
    if query.layout == "tree":
        return runs_page(experiment_id, query, roots=True), True
    page = runs_page(experiment_id, query)
    if query.filter or query.sort or not any(run.parent_id for run in page.items):
        return page, False
    try:
        return runs_page(experiment_id, query, roots=True), True
    except Invalid:  # an older server does not know IS NULL
        return page, False


def runs_page(
    experiment_id: str,
    query: ListQuery,
    *,
    roots: bool = False,
    token: str | None = None,
    size: int | None = None,
) -> Page[Run]:
    """One page of a list's runs, by the one call for all of them.

    Args:
        roots: without the runs that have a parent.
        token, size: in place of the query's own.
    Raises: Invalid (filter, page_token), Unavailable.
    """
    search = archived_runs_search if query.archived else tracking.runs_search
    condition = f"{query.filter} AND {ROOTS}" if roots and query.filter else query.filter
    return search(
        experiment_ids=[experiment_id],
        filter=condition or (ROOTS if roots else ""),
        order_by=order_parse(query.sort),
        page_token=query.token if token is None else token,
        limit=size or query.size,
    )


def children_page(experiment_id: str, run_id: str, query: ListQuery) -> Page[Run]:
    """The first children of a run, in the order of the list. Raises: Unavailable, Invalid."""
    return tracking.runs_search(
        experiment_ids=[experiment_id],
        filter=clause_text("tags", PARENT, "=", run_id),
        order_by=order_parse(query.sort),
        limit=CHILDREN_SHOWN,
    )


def runs_by_id(experiment_id: str, run_ids: Sequence[str]) -> tuple[Run, ...]:
    """These active runs of an experiment, those that still exist. Raises: Unavailable."""
    if not run_ids:
        return ()
    listed = ", ".join(f"'{one}'" for one in run_ids)
    page = tracking.runs_search(
        experiment_ids=[experiment_id],
        filter=f"attributes.run_id IN ({listed})",
        limit=len(run_ids),
    )
    return page.items


def _total(experiment_id: str, query: ListQuery) -> int | None:
    """How many runs there are, where counting is one cheap query."""
    if query.filter or query.archived or not tracking.activity_is_cheap():
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


# --- artifacts -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where artifacts are read: the run's own, or those of one model it logged."""

    uri: str
    model_id: str = ""
    name: str = ""


def place_of(run: Run, model_id: str) -> Place:
    """The run's artifacts, or a logged model's of this very run.

    Raises: NotFound when the run logged no such model.
    """
    from workspaces.tracking_artifacts import run_models

    if not model_id:
        return Place(run.artifact_uri)
    if model_id in run.model_ids:
        for model in run_models(run):
            if model.model_id == model_id:
                return Place(model.artifact_uri, model.model_id, model.name)
    raise NotFound(_("This run has no such model."))
