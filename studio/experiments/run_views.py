"""Pages of one run: five tabs, the parts that load by themselves, and its artifacts."""

from __future__ import annotations

import posixpath
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseStopPolling

from studio.experiments.charts import metric_chart
from studio.experiments.previews import kind_of, preview_make
from studio.experiments.responses import artifact_download, artifact_inline
from studio.experiments.selectors import Place, place_of
from workspaces import tracking
from workspaces.errors import NotFound, Problem
from workspaces.tracking_artifacts import (
    artifact_open,
    artifact_path_clean,
    artifacts_list,
    model_card,
    run_models,
)
from workspaces.tracking_values import Run

TABS = ("overview", "metrics", "parameters", "artifacts", "model")
CHARTS_AT_ONCE = 24


@require_safe
def run(request: HttpRequest, run_id: str, tab: str = "overview") -> HttpResponse:
    """A run's page; every tab has an address of its own."""
    found = tracking.run_get(run_id)
    context = {**_frame(found, tab), **_TAB_CONTEXTS[tab](request, found)}
    return render(request, f"studio/runs/{tab}.html", context)


def _frame(found: Run, tab: str) -> dict[str, Any]:
    try:
        register_url = reverse("registry:register", args=[found.id])
    except NoReverseMatch:
        register_url = ""
    return {
        "run": found,
        "tab": tab,
        "experiment_name": _experiment_name(found),
        "register_url": register_url,
        "why_not_register": why_not_register(found),
    }


def _experiment_name(found: Run) -> str:
    try:
        return tracking.experiment_name(found.experiment_id)
    except Problem:  # the run is shown all the same
        return found.experiment_id


def why_not_register(found: Run) -> str:
    """The sentence why no model can be registered from a run; empty when one can."""
    if found.has_model:
        return ""
    if found.is_open:
        return _("The run has not logged a model yet.")
    return _("The run logged no model, so there is nothing to register.")


def _overview(request: HttpRequest, found: Run) -> dict[str, Any]:
    return {"metrics": list(found.metrics.items())[:12]}


def _metrics(request: HttpRequest, found: Run) -> dict[str, Any]:
    stepped = [key for key in found.metrics if found.steps.get(key, 0) > 0]
    return {
        "axis": "time" if request.GET.get("axis") == "time" else "step",
        "charted": stepped[:CHARTS_AT_ONCE],
        "uncharted": len(stepped) - len(stepped[:CHARTS_AT_ONCE]),
    }


def _parameters(request: HttpRequest, found: Run) -> dict[str, Any]:
    text = request.GET.get("q", "").strip()
    low = text.lower()
    rows = [(k, v) for k, v in found.params.items() if low in k.lower() or low in v.lower()]
    return {"text": text, "rows": rows}


def _artifacts(request: HttpRequest, found: Run) -> dict[str, Any]:
    return {"path": request.GET.get("path", ""), "model_id": request.GET.get("model", "")}


def _model(request: HttpRequest, found: Run) -> dict[str, Any]:
    return {"chosen": request.GET.get("model", "")}


_TAB_CONTEXTS = {
    "overview": _overview,
    "metrics": _metrics,
    "parameters": _parameters,
    "artifacts": _artifacts,
    "model": _model,
}


@require_safe
def run_header(request: HttpRequest, run_id: str) -> HttpResponse:
    """Status and times of a run that is going on; stops the polling when it has ended."""
    found = tracking.run_get(run_id)
    response = render(request, "studio/runs/_state.html", {"run": found})
    return response if found.is_open else HttpResponseStopPolling(response.content)


@require_safe
def run_metrics_table(request: HttpRequest, run_id: str) -> HttpResponse:
    """The latest values, asked for every 3 s while the run is going on."""
    found = tracking.run_get(run_id)
    response = render(request, "studio/runs/_metrics_table.html", {"run": found})
    return response if found.is_open else HttpResponseStopPolling(response.content)


@require_safe
def run_chart(request: HttpRequest, run_id: str) -> HttpResponse:
    """The chart of one metric, loaded by itself."""
    key = request.GET.get("key", "")
    axis = "time" if request.GET.get("axis") == "time" else "step"
    chart = metric_chart(tracking.metric_history(run_id, key), axis)
    context = {"chart": chart, "key": key, "id": f"chart-{request.GET.get('n', '0')[:20]}"}
    return render(request, "studio/runs/_chart.html", context)


@require_safe
def run_model_part(request: HttpRequest, run_id: str) -> HttpResponse:
    """What the models of a run are; reads their files, so it loads by itself."""
    found = tracking.run_get(run_id)
    models = run_models(found)
    wanted = request.GET.get("model", "")
    chosen = next((m for m in models if wanted in {m.model_id, m.path}), None)
    if wanted and chosen is None:
        raise NotFound(_("This run has no such model."))
    chosen = chosen or (models[-1] if models else None)
    context = {**_frame(found, "model"), "models": models, "model": chosen}
    if chosen is not None:
        context |= _card(chosen)
    return render(request, "studio/runs/_model.html", context)


def _card(model: Any) -> dict[str, Any]:
    try:
        return {"card": model_card(model)}
    except Problem as problem:
        return {"problem": problem}


@require_safe
def artifacts_tree(request: HttpRequest, run_id: str) -> HttpResponse:
    """Entries of one folder; at the top also the models that the run logged."""
    found = tracking.run_get(run_id)
    place, path = _place(request, found)
    entries, complete = artifacts_list(place.uri, path)
    models = run_models(found) if not (path or place.model_id) else ()
    open_path = request.GET.get("open", "")
    context = {
        "run": found,
        "place": place,
        "entries": entries,
        "complete": complete,
        "models": [model for model in models if model.model_id],
        "open_path": open_path,
        "open_model": request.GET.get("open_model", place.model_id),
        "opened": set(_folders_of(open_path)),
        "nested": bool(path or place.model_id),
    }
    return render(request, "studio/runs/_tree.html", context)


def _folders_of(path: str) -> list[str]:
    """Every folder above a file: "a/b/c.txt" is in "a" and in "a/b"."""
    names = path.split("/")[:-1][:20]
    return ["/".join(names[: n + 1]) for n in range(len(names))]


@require_safe
def artifact_preview(request: HttpRequest, run_id: str) -> HttpResponse:
    """One file, shown by its kind."""
    found = tracking.run_get(run_id)
    place, path = _place(request, found)
    opened = artifact_open(place.uri, path)
    try:
        preview = preview_make(path, opened.size, opened.read)
    finally:
        opened.close()
    context = {
        "run": found,
        "place": place,
        "path": path,
        "folder": posixpath.dirname(path),
        "size": opened.size,
        "preview": preview,
    }
    return render(request, "studio/runs/_preview.html", context)


@require_safe
@xframe_options_sameorigin
def artifact_raw(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """An image or a page for the preview, in a sandbox; anything else as a download."""
    place, path = _place(request, tracking.run_get(run_id))
    if kind_of(path) not in {"image", "page"}:
        return artifact_download(request, artifact_open(place.uri, path), path)
    return artifact_inline(request, artifact_open(place.uri, path), path)


@require_safe
def artifact_file(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """One file as a download."""
    place, path = _place(request, tracking.run_get(run_id))
    return artifact_download(request, artifact_open(place.uri, path), path)


def _place(request: HttpRequest, found: Run) -> tuple[Place, str]:
    path = artifact_path_clean(request.GET.get("path", ""))
    return place_of(found, request.GET.get("model", "")), path
