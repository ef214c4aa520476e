"""Charts of one run: their figures, their exact values and what is new while the run goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseStopPolling

from studio.charts.colours import run_colour
from studio.charts.figure import metric_figure
from studio.charts.histories import history
from studio.charts.view import ChartView
from studio.runs.metrics import metrics_page, rows_of
from studio.runs.responses import attachment_streamed
from studio.templatetags.studio import number
from workspaces import deadline, tracking
from workspaces.tracking.history.reading import history_rows, metrics_latest
from workspaces.tracking.status import run_status
from workspaces.tracking.values import OPEN

MOST_WATCHED = 100  # metrics of one question for what is new
LINES_AT_ONCE = 2_000


def page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "")
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 1


def metrics_context(request: HttpRequest, found: Any) -> dict[str, Any]:
    """What the list and the charts of the metrics tab show."""
    text, only = request.GET.get("q", "").strip()[:200], request.GET.get("metric", "")
    view = ChartView.of(request.GET)
    return {
        "run": found,
        "text": text,
        "only": only,
        "view": view,
        "listed": metrics_page(found, text, page_number(request), only),
    }


@require_safe
def metrics_table(request: HttpRequest, run_id: str) -> HttpResponse:
    """The latest values, asked for every 3 s while the run is going on."""
    found = tracking.run_get(run_id)
    context = metrics_context(request, found)
    response = render(request, "studio/runs/_metrics_table.html", context)
    return response if found.is_open else HttpResponseStopPolling(response.content)


@require_safe
def chart(request: HttpRequest, run_id: str) -> HttpResponse:
    """The figure of one metric, of the stretch that is looked at."""
    key, view = request.GET.get("key", ""), ChartView.of(request.GET)
    low, high = view.store_range
    series = history(run_id, key, axis=view.store_axis, low=low, high=high)
    figure = metric_figure(key, series, view, run_colour(run_id))
    response = HttpResponse(orjson.dumps(figure), content_type="application/json")
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
@deadline.lifted()
def history_csv(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """Every value of one metric, exactly."""
    key = request.GET.get("key", "")
    name = re.sub(r"[^\w.-]+", "-", f"{run_id[:8]}-{key}", flags=re.ASCII)[:150]
    rows = history_rows(run_id, key)
    first = list(islice(rows, 1))  # a run that does not exist is told before the answer begins
    lines = rows_of(chain(first, rows))
    return attachment_streamed(request, _chunks(lines), f"{name}.csv", "text/csv; charset=utf-8")


def _chunks(lines: Iterable[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    for line in lines:
        waiting.append(line)
        if len(waiting) >= LINES_AT_ONCE:
            yield "".join(waiting).encode()
            waiting.clear()
    yield "".join(waiting).encode()


@require_safe
def news(request: HttpRequest, run_id: str) -> JsonResponse:
    """The latest points of the metrics in view; the page asks while the run is going on."""
    status = run_status(run_id)
    keys = request.GET.getlist("key")[:MOST_WATCHED]
    points = metrics_latest([run_id], keys).get(run_id, {}) if keys else {}
    latest = {
        key: {"mark": f"{point.step} {point.at_ms} {point.value}", "text": number(point.value)}
        for key, point in points.items()
    }
    return JsonResponse({"open": status in OPEN, "latest": latest})
