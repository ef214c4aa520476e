"""Pages of experiments and of their runs."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from studio.comparing.best import best_query as best_choice_query
from studio.experiments.columns import column_parse
from studio.experiments.selectors import (
    SIZES,
    ListQuery,
    columns_forget,
    columns_remember,
    experiments_page,
    paging,
    runs_table,
)
from workspaces import tracking


def is_fragment(request: HttpRequest, target: str) -> bool:
    """Whether htmx asks for that part of the page only, and not for a page of its history."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and htmx.target == target and not htmx.history_restore_request


def answer(
    request: HttpRequest, template: str, part: str, context: dict[str, object], status: int = 200
) -> HttpResponse:
    """The whole page, or for htmx the partial of the same name as its target."""
    name = f"{template}#{part}" if is_fragment(request, part) else template
    response = render(request, name, context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


@require_safe
def experiments(request: HttpRequest) -> HttpResponse:
    """The list of experiments. With a remote MLflow, counts are loaded after the page."""
    query = ListQuery.of(request.GET)
    counted = tracking.activity_is_cheap() or is_fragment(request, "experiments")
    rows, page = experiments_page(query, with_activity=counted)
    context = {
        "query": query,
        "rows": rows,
        "counted": counted,
        "paging": paging(request.GET, page, query.size),
        "tracking_uri": request.build_absolute_uri("/mlflow"),
    }
    return answer(request, "studio/experiments/experiments.html", "experiments", context)


def best_query(sort: str) -> str:
    """The question for the best run that a sorted table already answers: its metric, its order."""
    column = column_parse(sort.removeprefix("-"))
    if column is None or column.kind != "metrics":
        return ""
    return urlencode({"metric": column.key, "mode": "max" if sort.startswith("-") else "min"})


@require_safe
def experiment(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """An experiment's runs. Columns are remembered, all other state is in the query string."""
    query = ListQuery.of(request.GET)
    found = tracking.experiment_get(experiment_id)
    if "reset" in request.GET:
        columns_forget(request.session, experiment_id)
    columns_remember(request.session, experiment_id, query.columns)
    remembered = request.session.get("run_columns", {}).get(experiment_id, ())
    table = runs_table(experiment_id, query, remembered)
    context = {
        "experiment": found,
        "query": query,
        "table": table,
        "sizes": SIZES,
        "paging": paging(request.GET, table.page, query.size, table.total),
        "tracking_uri": request.build_absolute_uri("/mlflow"),
        "best_query": best_query(query.sort) or best_choice_query(experiment_id),
    }
    status = 422 if table.problem else 200
    return answer(request, "studio/experiments/experiment.html", "runs", context, status)
