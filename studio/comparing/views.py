"""The compare page: the table of differences, a chart of any kind, images side by side."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from studio.charts.colours import mark_of
from studio.comparing.axes import exact
from studio.comparing.best import best_word
from studio.comparing.charts import CompareChart, chart_make, chart_rows
from studio.comparing.choosing import Chosen, runs_chosen, unknown_text
from studio.comparing.differences import Group, columns_of, differences
from studio.comparing.directions import modes_of
from studio.comparing.downloads import csv_response, file_name
from studio.comparing.forms import chart_form
from studio.comparing.images import images_of
from studio.comparing.settings import (
    ICONS,
    KINDS,
    ChartSettings,
    metrics_usual,
    settings_fill,
    settings_parse,
)
from workspaces import deadline, tracking
from workspaces.errors import Invalid, Problem

CURVES_AT_ONCE = 12
USUAL_CURVES = 4


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Runs side by side; what is looked at, and every setting of it, is in the address."""
    chosen = runs_chosen(request.GET.getlist("run"))
    if chosen.problem:
        status = 400 if chosen.asked else 200
        return render(request, "studio/comparing/none.html", {"chosen": chosen}, status=status)
    kind = request.GET.get("chart", "")
    views = {"images": _images, **dict.fromkeys(KINDS, _chart)}
    context = _frame(chosen) | {"view": kind if kind in views else "table"}
    context |= views.get(kind, _table)(request, chosen)
    return render(request, f"studio/comparing/{context['template']}.html", context)


def _frame(chosen: Chosen) -> dict[str, Any]:
    ids = chosen.experiment_ids
    names = []
    for experiment_id in ids[:5]:
        try:
            names.append((experiment_id, tracking.experiment_name(experiment_id)))
        except Problem:  # the runs are shown all the same
            names.append((experiment_id, experiment_id))
    tabs = [(kind, label, ICONS[kind]) for kind, label in KINDS.items()]
    return {
        "chosen": chosen,
        "experiments": names,
        "more_experiments": len(ids) - len(names),
        "unknown": unknown_text(chosen.unknown),
        "runs_query": urlencode([("run", run_id) for run_id in chosen.ids]),
        "tabs": tabs,
    }


def _table(request: HttpRequest, chosen: Chosen) -> dict[str, Any]:
    groups = _groups(request, chosen)
    return {
        "template": "table",
        "groups": groups,
        "everything": request.GET.get("rows") == "all",
        "text": request.GET.get("q", "").strip(),
        "differing": sum(group.differing for group in groups),
        "others": {run.id: _without(request, run.id) for run in chosen.runs},
        "marks": {run.id: mark_of(run.id) for run in chosen.runs},
        "flips": _flips(request, groups),
    }


def _groups(request: HttpRequest, chosen: Chosen) -> list[Group]:
    modes = modes_of(
        (column.key for column in columns_of(chosen.runs, "metrics")),
        low=request.GET.getlist("low"),
        high=request.GET.getlist("high"),
        best=best_word(chosen.experiment_ids),
    )
    return differences(
        chosen.runs,
        everything=request.GET.get("rows") == "all",
        text=request.GET.get("q", ""),
        modes=modes.__getitem__,
    )


def _flips(request: HttpRequest, groups: list[Group]) -> dict[str, str]:
    """Per metric the same page where its other side is the better one."""
    rows = [row for group in groups if group.kind == "metrics" for row in group.rows]
    found = {}
    for row in rows:
        parameters = request.GET.copy()
        for side in ("low", "high"):
            kept = [name for name in parameters.getlist(side) if name != row.label]
            parameters.setlist(side, kept)
        parameters.appendlist("low" if row.mode == "max" else "high", row.label)
        found[row.label] = f"?{parameters.urlencode()}"
    return found


def _without(request: HttpRequest, run_id: str) -> str:
    """The same page without one of the runs."""
    parameters = request.GET.copy()
    rest = [item for item in parameters.getlist("run") if item != run_id]
    parameters.setlist("run", rest)
    return f"?{parameters.urlencode()}"


def _chart(request: HttpRequest, chosen: Chosen) -> dict[str, Any]:
    best = best_word(chosen.experiment_ids)
    settings = settings_parse(dict(request.GET.lists()))
    form = chart_form(settings_fill(settings, chosen.runs, best), chosen.runs)
    if settings.kind != "curves":
        charts = [form.settings]
        return {"template": "chart", "form": form, "charts": _placed(charts, chosen)}
    offered = metrics_usual(chosen.runs, best)
    offered.sort(key=lambda name: not any(run.steps.get(name, 0) > 0 for run in chosen.runs))
    wanted = [name for name in request.GET.getlist("metric") if name in offered]
    wanted = list(dict.fromkeys(wanted))
    names = wanted[:CURVES_AT_ONCE] or offered[:USUAL_CURVES]
    charts = [settings_parse({**settings.as_lists(), "metric": [name]}) for name in names]
    form = chart_form(settings, chosen.runs, offered=offered, wanted=names)
    return {
        "template": "chart",
        "form": form,
        "charts": _placed(charts, chosen),
        "dropped": max(len(wanted) - CURVES_AT_ONCE, 0),
    }


def _placed(charts: list[ChartSettings], chosen: Chosen) -> list[dict[str, str]]:
    """Title and address of each chart, which loads by itself."""
    url = reverse("studio:compare-chart")
    return [
        {"title": settings.title, "url": f"{url}?{settings.as_query(chosen.ids)}&n={number}"}
        for number, settings in enumerate(charts)
    ]


def _images(request: HttpRequest, chosen: Chosen) -> dict[str, Any]:
    return {"template": "images", "image": request.GET.get("image", "")[:2000]}


@require_safe
def chart(request: HttpRequest) -> HttpResponse:
    """One chart with its notes and downloads; as JSON its figure alone, for one that is live."""
    chosen = _chosen(request)
    made = _made(request, chosen)
    if request.headers.get("Accept") == "application/json":
        return live_answer(made)
    return render(request, "studio/comparing/_chart.html", chart_context(request, made, chosen.ids))


def live_answer(made: CompareChart) -> JsonResponse:
    """What the page's script asks for while a run is going."""
    return JsonResponse({"figure": made.drawn.figure, "open": made.is_open})


def chart_context(request: HttpRequest, made: CompareChart, ids: list[str]) -> dict[str, Any]:
    """What `_chart.html` shows."""
    query = made.settings.as_query(ids)
    return {
        "made": made,
        "id": f"chart-{request.GET.get('n', '0')[:12]}",
        "file": file_name(made.title),
        "csv_url": f"{reverse('studio:compare-csv')}?{query}",
        "pin_url": f"{reverse('studio:compare-pin')}?{query}",
        "live_url": request.get_full_path() if made.is_open else "",
    }


@require_safe
@deadline.lifted()
def chart_csv(request: HttpRequest) -> HttpResponseBase:
    """The numbers behind a chart, exact and complete."""
    chosen = _chosen(request)
    settings = settings_parse(dict(request.GET.lists()))
    best = best_word(chosen.experiment_ids)
    rows = chart_rows(settings, chosen.runs, best)
    return csv_response(request, rows, settings_fill(settings, chosen.runs, best).title)


@require_safe
@deadline.lifted()
def table_csv(request: HttpRequest) -> HttpResponseBase:
    """The table of the compare page: a row per run, a column per fact, all that there is."""
    chosen = _chosen(request)
    columns = [
        column
        for kind in ("attribute", "params", "metrics", "tags")
        for column in columns_of(chosen.runs, kind)
    ]
    header = ["run_id", "run_name", "experiment_id", *(column.name for column in columns)]
    rows = (
        [run.id, run.name, run.experiment_id, *(exact(run, column) for column in columns)]
        for run in chosen.runs
    )
    return csv_response(request, [header, *rows], _("runs compared"))


@require_safe
def images(request: HttpRequest) -> HttpResponse:
    """Images of one name, a run beside the other; looks into artifacts, so it loads by itself."""
    chosen = _chosen(request)
    found = images_of(chosen.runs, request.GET.get("image", ""))
    context = {"chosen": chosen, "images": found}
    return render(request, "studio/comparing/_images.html", context)


def _chosen(request: HttpRequest) -> Chosen:
    """The runs of a part of the page; a chart may be of one run alone."""
    chosen = runs_chosen(request.GET.getlist("run"), fewest=1)
    if chosen.problem:
        raise Invalid(chosen.problem, fields={"run": [chosen.problem]})
    return chosen


def _made(request: HttpRequest, chosen: Chosen) -> CompareChart:
    settings = settings_parse(dict(request.GET.lists()))
    return chart_make(settings, chosen.runs, best_word(chosen.experiment_ids))
