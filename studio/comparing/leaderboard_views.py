"""The leaderboard of an experiment, and the choice of what is best."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from studio.comparing.best import (
    CHAMPION,
    TOPS,
    best_choice,
    best_choose,
    leaderboard,
    metrics_offered,
)
from studio.comparing.directions import mode_of
from studio.comparing.forms import BestForm
from studio.experiments.columns import cell
from workspaces import tracking
from workspaces.errors import Problem

UNPROCESSABLE = 422


@require_safe
def leaders(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """The best runs of an experiment by its chosen metric."""
    found = tracking.experiment_get(experiment_id)
    text = request.GET.get("top", "")
    top = int(text) if text in {str(number) for number in TOPS} else TOPS[0]
    choice = best_choice(experiment_id)
    context: dict[str, Any] = {"experiment": found, "choice": choice, "top": top, "tops": TOPS}
    if choice is not None:
        context |= _ranked(choice, top)
    return render(request, "studio/comparing/leaderboard.html", context)


def _ranked(choice: Any, top: int) -> dict[str, Any]:
    try:
        board = leaderboard(choice, top)
    except Problem as problem:
        return {"problem": problem}
    rows = [
        (leader, [cell(leader.run, column) for column in board.parameters])
        for leader in board.leaders
    ]
    return {"board": board, "rows": rows, "alias": CHAMPION}


@require_http_methods(["GET", "HEAD", "POST"])
def best(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Choose metric and direction, in the panel."""
    tracking.experiment_get(experiment_id)
    metrics = metrics_offered(experiment_id)
    choice = best_choice(experiment_id)
    if choice is not None and choice.metric not in metrics:
        metrics.append(choice.metric)
    if request.method == "POST":
        form = BestForm(request.POST, metrics=metrics)
        if form.is_valid():
            try:
                best_choose(experiment_id=experiment_id, user=request.user, **form.cleaned_data)
                url = reverse("studio:leaderboard", args=[experiment_id])
                return HttpResponseClientRedirect(url) if request.htmx else redirect(url)  # type: ignore[attr-defined]
            except Problem as problem:
                form.add_error(None, problem.message)
        return _best_page(request, experiment_id, form, metrics, status=UNPROCESSABLE)
    first = next(iter(metrics), "")
    metric = choice.metric if choice else request.GET.get("metric", "")
    metric = metric if metric in metrics else first
    initial = {"metric": metric, "mode": choice.mode if choice else mode_of(metric) or "max"}
    form = BestForm(initial=initial, metrics=metrics)
    return _best_page(request, experiment_id, form, metrics)


def _best_page(
    request: HttpRequest, experiment_id: str, form: BestForm, metrics: list[str], status: int = 200
) -> HttpResponse:
    template = "studio/comparing/best.html" + ("#panel" if request.htmx else "")  # type: ignore[attr-defined]
    context = {
        "experiment_id": experiment_id,
        "form": form,
        "metrics": metrics,
        "title": _("Choose what is best"),
    }
    return render(request, template, context, status=status)
