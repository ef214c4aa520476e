"""Parts of a list of runs that are loaded by themselves: names, completion, children, live rows."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseStopPolling

from studio.experiments.columns import KINDS, columns_parse, only_of
from studio.experiments.completing import complete
from studio.experiments.filters import ATTRIBUTES, clause_text
from studio.experiments.names import columns_matching, names_of
from studio.experiments.selectors import (
    ListQuery,
    children_known,
    children_page,
    columns_of,
    rows_of,
    runs_by_id,
)
from studio.experiments.services import run_ids_read
from studio.experiments.views import columns_remembered, live_query
from workspaces.tracking.finding import experiment_tag_keys
from workspaces.tracking.sql.search import PARENT
from workspaces.tracking.values import Run

LONGEST_FILTER = 5_000
DEEPEST = 20


@require_safe
def tag_keys(request: HttpRequest) -> HttpResponse:
    """Options of a <datalist>: keys of tags that experiments have."""
    names = experiment_tag_keys()
    return render(request, "studio/experiments/_names.html", {"names": names})


@require_safe
def filter_names(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Options of a <datalist>: the names that a condition of that kind can have."""
    kind = request.GET.get("add_kind", "")
    known = list(ATTRIBUTES) if kind == "attributes" else []
    names = list(names_of(experiment_id, kind)[:500]) if kind in KINDS else known
    return render(request, "studio/experiments/_names.html", {"names": names})


@require_safe
def filter_complete(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """What can stand at a place of the filter, as JSON for the script."""
    text, at = request.GET.get("text", "")[:LONGEST_FILTER], request.GET.get("at", "")
    place = int(at) if at.isascii() and at.isdigit() and len(at) < 6 else len(text)
    found = complete(text, place, lambda kind: names_of(experiment_id, kind))
    items = [vars(item) for item in found.items]
    return JsonResponse({"start": found.start, "end": found.end, "items": items})


@require_safe
def column_choices(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Names that the column chooser offers beside what is shown already."""
    shown = {column.name for column in columns_parse(request.GET.getlist("column"))}
    found = columns_matching(experiment_id, request.GET.get("find", ""), shown)
    return render(request, "studio/experiments/_column_choices.html", {"found": found})


@require_safe
def run_children(request: HttpRequest, experiment_id: str, run_id: str) -> HttpResponse:
    """Rows of the runs below a run, in the columns and the order of the list."""
    (parent,) = run_ids_read([run_id])
    query = ListQuery.of(request.GET)
    level = max(_depth(request), 1)
    columns = columns_of(query.columns, columns_remembered(request, experiment_id), ())
    page = children_page(experiment_id, parent, query, only_of(columns))
    counts = children_known([run.id for run in page.items])
    context = {
        "experiment_id": experiment_id,
        "parent": parent,
        "rows": rows_of(page.items, columns, counts, level),
        "span": len(columns) + 2,
        "live_query": live_query(
            [run.id for run in page.items if run.is_open], columns, level, parent
        ),
        "more": page.next_token,
        "filter": clause_text("tags", PARENT, "=", parent),
    }
    return render(request, "studio/experiments/_children.html", context)


@require_safe
def runs_live(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """The rows that were running, as they are now; the poll ends with the last of them."""
    ids = run_ids_read(request.GET.getlist("run"))
    columns = columns_parse(request.GET.getlist("column"))
    runs = _in_order(runs_by_id(experiment_id, ids, only_of(columns)), ids)
    counts = children_known([run.id for run in runs])
    open_ids = [run.id for run in runs if run.is_open]
    depth, parent = _depth(request), request.GET.get("parent", "")
    context = {
        "experiment_id": experiment_id,
        "rows": rows_of(runs, columns, counts, depth),
        "parent": parent,
        "live_query": live_query(open_ids, columns, depth, parent),
    }
    response = render(request, "studio/experiments/_live.html", context)
    return response if open_ids else HttpResponseStopPolling(response.content)


def _depth(request: HttpRequest) -> int:
    depth = request.GET.get("depth", "")
    return min(int(depth), DEEPEST) if depth.isascii() and depth.isdigit() and len(depth) < 4 else 0


def _in_order(runs: tuple[Run, ...], ids: list[str]) -> list[Run]:
    known = {run.id: run for run in runs}
    return [known[one] for one in ids if one in known]
