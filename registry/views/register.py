"""Registering from elsewhere than a run's page: an upload, a path of the server, a best run."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from registry import selectors, services
from registry.formats.recognising import KINDS
from registry.forms import BestRunForm, UploadForm, problem_add
from registry.incoming.receiving import SCOPE_KEY, upload_of
from registry.metric_names import mode_of
from registry.values import VersionInfo
from workspaces import tracking
from workspaces.errors import Problem

UNPROCESSABLE = 422
RECENT_RUNS = 50  # whose metrics are offered
MODE_FOLLOWS = {  # another metric brings the direction that its name tells
    "hx-target": "#id_mode",
    "hx-select": "#id_mode",
    "hx-swap": "outerHTML",
}


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The page for files from elsewhere. With scripts the upload itself goes to the API."""
    allowed = bool(settings.SLIPWAY.model_paths)
    if request.method != "POST":
        form = UploadForm(initial={"name": request.GET.get("name", "")}, server_paths=allowed)
        return _upload_page(request, form)
    form = UploadForm(request.POST, server_paths=allowed)
    if form.is_valid():
        try:
            return _done(request, _make(request, form.cleaned_data))
        except Problem as problem:
            problem_add(form, problem)
    return _upload_page(request, form, status=UNPROCESSABLE)


def _make(request: HttpRequest, values: dict[str, Any]) -> VersionInfo:
    server_path = values.pop("server_path", "")
    if server_path and not _has_files(request):
        return services.model_register_path(server_path=server_path, user=request.user, **values)
    return services.model_register_upload(upload=upload_of(request), user=request.user, **values)


def _has_files(request: HttpRequest) -> bool:
    """A form without scripts is always sent as one with files, chosen or not."""
    return SCOPE_KEY in getattr(request, "scope", {}) and upload_of(request).has_files


def _upload_page(request: HttpRequest, form: UploadForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "kinds": [kind for kind in KINDS.values() if kind.wrapped],
        "limit_bytes": settings.SLIPWAY.max_upload_bytes,
        "roots": settings.SLIPWAY.model_paths,
    }
    return render(request, "registry/upload.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def best_run(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Register the best run of an experiment by a metric, in the side panel."""
    recent = tracking.runs_search(experiment_ids=[experiment_id], limit=RECENT_RUNS).items
    metrics = sorted({key for run in recent for key in run.metrics})
    if request.method == "POST":
        form = BestRunForm(request.POST, metrics=metrics)
        if form.is_valid():
            try:
                info = services.model_register_best(
                    experiment_id=experiment_id, user=request.user, **form.cleaned_data
                )
                return _done(request, info)
            except Problem as problem:
                problem_add(form, problem)
        return _best_page(request, experiment_id, form, metrics, status=UNPROCESSABLE)
    wanted = request.GET.get("metric", "")
    metric = wanted if wanted in metrics else next(iter(metrics), "")
    initial = {
        "metric": metric,
        # the order of the table counts for its own metric only
        "mode": (request.GET.get("mode") if metric == wanted else "") or mode_of(metric),
        "name": selectors.name_suggest(recent[0], ()) if recent else "",
    }
    return _best_page(
        request, experiment_id, BestRunForm(initial=initial, metrics=metrics), metrics
    )


def _best_page(
    request: HttpRequest,
    experiment_id: str,
    form: BestRunForm,
    metrics: list[str],
    status: int = 200,
) -> HttpResponse:
    follows = {"hx-get": reverse("registry:register-best", args=[experiment_id])}
    form.fields["metric"].widget.attrs.update(follows | MODE_FOLLOWS)
    template = "registry/best_run.html" + ("#panel" if request.htmx else "")  # type: ignore[attr-defined]
    context = {"experiment_id": experiment_id, "form": form, "metrics": metrics}
    return render(request, template, context, status=status)


def _done(request: HttpRequest, info: VersionInfo) -> HttpResponse:
    words = {"name": info.name, "version": info.version}
    messages.success(request, _("Registered “%(name)s”, version %(version)s.") % words)
    url = reverse("registry:version", args=[info.name, info.version])
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)  # type: ignore[attr-defined]
