"""Pages of experiments and of the lists of their runs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from registry import markdown
from studio.comparing.best import best_query as best_choice_query
from studio.experiments.columns import Column, column_parse
from studio.experiments.filters import KINDS, operators
from studio.experiments.listing import TABS, ExperimentsQuery, experiments_page, plain
from studio.experiments.names import columns_matching
from studio.experiments.pills import filter_with, pills_of
from studio.experiments.saved_views import KEPT, query_clean, views_of
from studio.experiments.selectors import (
    DENSITIES,
    SIZES,
    ListQuery,
    RunsTable,
    columns_forget,
    columns_remember,
    paging,
    runs_table,
)
from studio.experiments.services import starred_ids
from workspaces import tracking
from workspaces.errors import Invalid
from workspaces.tracking import finding as tracking_finding
from workspaces.tracking.purging import purging_is_there
from workspaces.tracking.values import Experiment

ADDED = ("kind", "key", "op", "value")  # of a condition that is added, each as "add_…"


def is_fragment(request: HttpRequest, target: str) -> bool:
    """Whether htmx asks for that part of the page only, and not for a page of its history."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and htmx.target == target and not htmx.history_restore_request


def answer(
    request: HttpRequest, template: str, part: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """The whole page, or for htmx the partial of the same name as its target."""
    name = f"{template}#{part}" if is_fragment(request, part) else template
    response = render(request, name, context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


@require_safe
def experiments(request: HttpRequest) -> HttpResponse:
    """The list of experiments. With a remote MLflow, counts are loaded after the page."""
    query = ExperimentsQuery.of(request.GET)
    counted = tracking.activity_is_cheap() or is_fragment(request, "experiments")
    rows, page = experiments_page(query, request.user, with_activity=counted)
    context = {
        "query": query,
        "rows": rows,
        "counted": counted,
        "tabs": TABS,
        "by_activity": tracking_finding.order_is_known("activity"),
        "tag_pills": [(tag, _tags_without(request.GET, tag)) for tag in query.tags],
        "paging": paging(request.GET, page, query.size),
        "tracking_uri": request.build_absolute_uri("/mlflow"),
    }
    return answer(request, "studio/experiments/experiments.html", "experiments", context)


def _tags_without(parameters: QueryDict, tag: str) -> str:
    changed = parameters.copy()
    changed.setlist("tag", [other for other in parameters.getlist("tag") if other != tag])
    changed.pop("page_token", None)
    return f"?{changed.urlencode()}"


def best_query(sort: str) -> str:
    """The question for the best run that a sorted table already answers: its metric, its order."""
    column = column_parse(sort.removeprefix("-"))
    if column is None or column.kind != "metrics":
        return ""
    return urlencode({"metric": column.key, "mode": "max" if sort.startswith("-") else "min"})


@require_safe
def experiment(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """An experiment's runs. Columns and density are remembered, all else is in the query string."""
    added: Invalid | None = None
    if request.GET.get("add_kind"):
        try:
            return redirect(f"{request.path}?{_query_with_condition(request.GET)}")
        except Invalid as problem:
            added = problem
    query = ListQuery.of(request.GET)
    found = tracking.experiment_get(experiment_id)
    table = runs_table(experiment_id, query, columns_chosen(request, experiment_id, query))
    context = {
        "experiment": found,
        "query": query,
        "table": table,
        "sizes": SIZES,
        "added": added,
        "paging": paging(request.GET, table.page, query.size, table.total),
        "tracking_uri": request.build_absolute_uri("/mlflow"),
        "choices": _choices(request, experiment_id, table),
        "best_query": best_query(query.sort) or best_choice_query(experiment_id),
        "is_part": is_fragment(request, "runs"),
        **_filter_context(query, table, added),
        **_state_context(request, experiment_id, query, table),
    }
    if not is_fragment(request, "runs"):
        context |= about_context(found, request)
    status = 422 if table.problem or added else 200
    return answer(request, "studio/experiments/experiment.html", "runs", context, status)


def _choices(
    request: HttpRequest, experiment_id: str, table: RunsTable
) -> list[tuple[str, list[str]]] | None:
    """Names for the column chooser; a script asks for them by itself, when it is opened."""
    if "choose" not in request.GET:
        return None
    return columns_matching(experiment_id, "", {column.name for column in table.columns})


def _query_with_condition(parameters: QueryDict) -> str:
    """The query string with one more condition in its filter. Raises: Invalid."""
    parts = {name: parameters.get(f"add_{name}", "") for name in ADDED}
    changed = parameters.copy()
    for name in (*(f"add_{name}" for name in ADDED), "page_token"):
        changed.pop(name, None)
    changed["filter"] = filter_with(parameters.get("filter", ""), parts)
    return changed.urlencode()


def columns_chosen(request: HttpRequest, experiment_id: str, query: ListQuery) -> list[str]:
    """Names of the columns this person chose last here, after what this request chooses."""
    if "reset" in request.GET:
        columns_forget(request.session, experiment_id)
    columns_remember(request.session, experiment_id, query.columns)
    return columns_remembered(request, experiment_id)


def columns_remembered(request: HttpRequest, experiment_id: str) -> list[str]:
    """Names of the columns this person chose last here."""
    return list(request.session.get("run_columns", {}).get(experiment_id, ()))


def _density(request: HttpRequest, query: ListQuery) -> str:
    if query.density and request.session.get("density") != query.density:
        request.session["density"] = query.density
    kept = query.density or request.session.get("density", "")
    return kept if kept in DENSITIES else DENSITIES[0]


def _filter_context(query: ListQuery, table: RunsTable, added: Invalid | None) -> dict[str, Any]:
    offered = dict.fromkeys(KINDS.values())
    known = (*operators("metrics", ""), *operators("tags", ""))
    return {
        "pills": pills_of(query.filter),
        "fault_parts": table.fault.parts(query.filter) if table.fault else None,
        "added_errors": added.fields if added else {},
        "kinds": [kind for kind in offered if kind != "datasets"],
        "all_operators": list(dict.fromkeys(known)),
    }


def _state_context(
    request: HttpRequest, experiment_id: str, query: ListQuery, table: RunsTable
) -> dict[str, Any]:
    """What keeps the list's state from one form to the next, and saves and shares it."""
    views = list(views_of(request.user, experiment_id))
    saved = request.GET.get("saved", "")
    view = next((one for one in views if str(one.pk) == saved), None)
    density = _density(request, query)
    state = state_of(request.GET, table.columns, density)
    return {
        "density": density,
        "views": views,
        "view": view,
        "view_changed": view is not None and not _same(view.query, request.GET),
        "state": state,
        "kept": [
            (key, value) for key in (*KEPT, "saved") for value in request.GET.getlist(key) if value
        ],
        "share_url": f"{request.build_absolute_uri(request.path)}?{state}",
        "live_query": live_query(table.live_ids, table.columns),
        "sorts_duration": not settings.SLIPWAY.tracking_is_remote,
        "purging_is_there": purging_is_there(),
    }


def state_of(parameters: QueryDict, columns: tuple[Column, ...], density: str) -> str:
    """The whole state of a list as a query string: with its columns, wherever they come from."""
    whole = parameters.copy()
    whole.setlist("column", [column.name for column in columns])
    whole["density"] = density
    return query_clean(whole.urlencode())


def _same(query: str, parameters: QueryDict) -> bool:
    return QueryDict(query) == QueryDict(query_clean(parameters.urlencode()))


def live_query(
    run_ids: list[str], columns: tuple[Column, ...], depth: int = 0, parent: str = ""
) -> str:
    """What the poll of running rows asks for; empty when none is running."""
    if not run_ids:
        return ""
    place = [("depth", str(depth)), ("parent", parent)] if depth else []
    pairs = [("run", one) for one in run_ids] + [("column", column.name) for column in columns]
    return urlencode([*pairs, *place])


def about_context(found: Experiment, request: HttpRequest) -> dict[str, Any]:
    """What the head of an experiment's page shows beside its runs."""
    return {
        "experiment": found,
        "starred": found.id in starred_ids(request.user),
        "notes": markdown.render(found.description) if found.description else "",
        "summary": plain(found.description),
        "tags": found.own_tags,
    }
