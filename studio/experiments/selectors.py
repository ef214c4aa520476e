"""What the pages of experiments and runs show, read through the gateway to MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from studio.experiments.cells import SHOWN, SPOKEN, TOLD, cell_html, shortened
from studio.experiments.columns import (
    DEFAULT_KEYS,
    Column,
    attributes_left,
    cell,
    columns_default,
    columns_parse,
    columns_query,
    names_by_count,
    only_of,
    order_parse,
)
from studio.experiments.filters import Fault, clause_text, fault_of
from workspaces import tracking
from workspaces.errors import Invalid, Problem
from workspaces.tracking.counts import children_counted, runs_matching, runs_total
from workspaces.tracking.offsets import offset_read as offset_of
from workspaces.tracking.offsets import token_of
from workspaces.tracking.run_lists import commonest_names, runs_by_duration, runs_filled
from workspaces.tracking.sql.search import PARENT, View
from workspaces.tracking.values import EVERYTHING, Only, Page, Run

SIZES = (25, 50, 100)
DENSITIES = ("comfortable", "compact")
LAYOUTS = ("tree", "flat")
ROOTS = f"tags.`{PARENT}` IS NULL"
CHILDREN_SHOWN = 50
MOST_COUNTED = 2_000  # runs that a filter leaves


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

    @property
    def view(self) -> View:
        """MLflow's word for which runs are listed."""
        return "deleted" if self.archived else "active"

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

    @property
    def name(self) -> str:
        return shortened(self.run.name, SHOWN)

    @property
    def title(self) -> str:
        return shortened(self.run.name, TOLD)

    @property
    def tick_label(self) -> str:
        return _("Tick %(name)s") % {"name": shortened(self.run.name, SPOKEN)}

    @property
    def below_label(self) -> str:
        return _("Runs below %(name)s") % {"name": shortened(self.run.name, SPOKEN)}

    @property
    def cells_html(self) -> SafeString:
        return SafeString("".join(cell_html(column, value) for column, value in self.cells))

    @property
    def columns_query(self) -> str:
        """These columns as a part of a query string, for the rows below this one."""
        return columns_query(tuple(column for column, _value in self.cells))


@dataclass(frozen=True)
class RunsTable:
    columns: tuple[Column, ...] = ()
    rows: tuple[RunRow, ...] = ()
    page: Page[Run] = field(default_factory=lambda: Page(()))
    problem: Problem | None = None
    fault: Fault | None = None  # where the filter is wrong
    total: int | None = None
    is_tree: bool = False

    @property
    def attributes_left(self) -> list[Column]:
        return attributes_left(self.columns)

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
        columns, page, is_tree = _page(experiment_id, query, chosen)
    except Invalid as problem:
        columns = chosen or columns_default((), ())
        fault = fault_of(query.filter, problem.message) if "filter" in problem.fields else None
        return RunsTable(columns, problem=problem, fault=fault)
    children = children_known([run.id for run in page.items]) if is_tree else {}
    return RunsTable(
        columns,
        rows_of(page.items, columns, children),
        page,
        total=None if is_tree else _total(experiment_id, query),
        is_tree=is_tree,
    )


def children_known(run_ids: Sequence[str]) -> Mapping[str, int | None]:
    """How many children runs have; None for each where that cannot be counted."""
    counted = children_counted(run_ids)
    return dict.fromkeys(run_ids) if counted is None else counted


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
    """The columns of a table: chosen now, else remembered, else the usual ones of these runs.

    Raises: Unavailable.
    """
    found = tuple(chosen) or columns_parse(remembered)
    if found:
        return found
    names = commonest_names([run.id for run in runs], DEFAULT_KEYS)
    if names is None:
        names = {kind: names_by_count(runs, kind) for kind in ("metrics", "params")}
    return columns_default(names["metrics"], names["params"])


def columns_for(
    experiment_id: str, query: ListQuery, remembered: Sequence[str]
) -> tuple[Column, ...]:
    """The columns that a list shows, without its rows. Raises: Invalid (filter), Unavailable."""
    chosen = query.columns or columns_parse(remembered)
    return chosen or _page(experiment_id, replace(query, token=""), ())[0]


def _page(
    experiment_id: str, query: ListQuery, chosen: tuple[Column, ...]
) -> tuple[tuple[Column, ...], Page[Run], bool]:
    """The columns, the runs of a page, and whether they are the roots of a tree."""
    only = only_of(chosen)
    if not chosen and settings.SLIPWAY.tracking_is_remote:
        only = EVERYTHING
    page, is_tree = _runs_or_roots(experiment_id, query, only)
    if chosen:
        return chosen, page, is_tree
    columns = columns_of((), (), page.items)
    if only is not EVERYTHING:  # now it is known which values are wanted
        page = Page(runs_filled(page.items, only_of(columns)), page.next_token)
    return columns, page, is_tree


def _runs_or_roots(experiment_id: str, query: ListQuery, only: Only) -> tuple[Page[Run], bool]:
    if query.archived or query.layout == "flat":
        return runs_page(experiment_id, query, only), False
    if query.layout == "tree":
        return runs_page(experiment_id, query, only, roots=True), True
    page = runs_page(experiment_id, query, only)
    if query.filter or query.sort or not any(run.parent_id for run in page.items):
        return page, False
    try:
        return runs_page(experiment_id, query, only, roots=True), True
    except Invalid:  # an older server does not know IS NULL
        return page, False


def runs_page(
    experiment_id: str, query: ListQuery, only: Only, *, roots: bool = False
) -> Page[Run]:
    """One page of a list's runs, by the one call for all of them.

    Args:
        only: the values that are wanted.
        roots: without the runs that have a parent.
    Raises: Invalid (filter, page_token), Unavailable.
    """
    condition = " AND ".join(part for part in (query.filter, ROOTS if roots else "") if part)
    if query.sort.removeprefix("-") == "duration":
        page = runs_by_duration(
            experiment_id=experiment_id,
            filter=condition,
            descending=query.sort.startswith("-"),
            page_token=query.token,
            limit=query.size,
            view=query.view,
            only=only,
        )
        if page is not None:
            return page
    return tracking.runs_search(
        experiment_ids=[experiment_id],
        filter=condition,
        order_by=order_parse(query.sort),
        page_token=query.token,
        limit=query.size,
        view=query.view,
        only=only,
    )


def children_page(experiment_id: str, run_id: str, query: ListQuery, only: Only) -> Page[Run]:
    """The first children of a run, in the order of the list. Raises: Unavailable, Invalid."""
    return tracking.runs_search(
        experiment_ids=[experiment_id],
        filter=clause_text("tags", PARENT, "=", run_id),
        order_by=order_parse(query.sort),
        limit=CHILDREN_SHOWN,
        only=only,
    )


def runs_by_id(experiment_id: str, run_ids: Sequence[str], only: Only) -> tuple[Run, ...]:
    """These active runs of an experiment, those that still exist. Raises: Unavailable."""
    if not run_ids:
        return ()
    listed = ", ".join(f"'{one}'" for one in run_ids)
    page = tracking.runs_search(
        experiment_ids=[experiment_id],
        filter=f"attributes.run_id IN ({listed})",
        limit=len(run_ids),
        only=only,
    )
    return page.items


def _total(experiment_id: str, query: ListQuery) -> int | None:
    """How many runs there are, where counting is cheap; more than MOST_COUNTED is not told."""
    if not query.filter:
        return runs_total([experiment_id], view=query.view)
    found = runs_matching([experiment_id], query.filter, view=query.view, most=MOST_COUNTED + 1)
    return found if found is not None and found <= MOST_COUNTED else None


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
