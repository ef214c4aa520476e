"""Pinning a chart, and the board of an experiment."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh, trigger_client_event

from studio.comparing import boards
from studio.comparing.best import best_word
from studio.comparing.charts import chart_make
from studio.comparing.choosing import Chosen, runs_chosen
from studio.comparing.forms import PinEditForm, PinForm
from studio.comparing.models import SIZES, Pin
from studio.comparing.settings import settings_fill, settings_parse
from studio.comparing.views import chart_context, live_answer
from workspaces import tracking
from workspaces.errors import Invalid, Problem

UNPROCESSABLE = 422


@require_http_methods(["GET", "HEAD", "POST"])
def pin(request: HttpRequest) -> HttpResponse:
    """The panel that pins a chart; its settings and runs are in the address."""
    chosen = runs_chosen(request.GET.getlist("run"), fewest=1)
    if chosen.problem:
        raise Invalid(chosen.problem, fields={"run": [chosen.problem]})
    settings = settings_fill(
        settings_parse(dict(request.GET.lists())), chosen.runs, best_word(chosen.experiment_ids)
    )
    named = [(item, tracking.experiment_name(item)) for item in chosen.experiment_ids]
    known: dict[str, Any] = {"experiments": named, "count": len(chosen.runs)}
    if request.method == "POST":
        form = PinForm(request.POST, **known)
        if form.is_valid() and (made := _pinned(request, form, chosen, settings)):
            return made
        return _pin_page(request, form, settings, chosen, status=UNPROCESSABLE)
    initial = {"title": settings.title[:120], "newest": 0}
    return _pin_page(request, PinForm(initial=initial, **known), settings, chosen)


def _pinned(
    request: HttpRequest, form: PinForm, chosen: Chosen, settings: Any
) -> HttpResponse | None:
    try:
        made = boards.pin_add(
            experiment_id=form.cleaned_data["experiment"],
            settings=settings,
            run_ids=chosen.ids,
            newest=int(form.cleaned_data["newest"]),
            title=form.cleaned_data["title"],
            user=request.user,
        )
    except Problem as problem:
        _problem_add(form, problem)
        return None
    text = _("Pinned to the board: %(title)s") % {"title": made.title}
    if request.htmx:  # type: ignore[attr-defined]
        return trigger_client_event(HttpResponse(), "toast", {"level": "success", "text": text})
    messages.success(request, text)
    return redirect("studio:board", made.board.experiment_id)


def _pin_page(
    request: HttpRequest, form: PinForm, settings: Any, chosen: Chosen, status: int = 200
) -> HttpResponse:
    template = "studio/comparing/pin.html" + ("#panel" if request.htmx else "")  # type: ignore[attr-defined]
    context = {"form": form, "settings": settings, "chosen": chosen}
    return render(request, template, context, status=status)


def _problem_add(form: Any, problem: Problem) -> None:
    """A problem's sentences at their fields, the rest above the form."""
    named = {name: texts for name, texts in problem.fields.items() if name in form.fields}
    for name, texts in named.items():
        for text in texts:
            form.add_error(name, text)
    if not named:
        form.add_error(None, problem.message)


@require_safe
def board(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """The pinned charts of an experiment; each loads by itself."""
    found = tracking.experiment_get(experiment_id)
    context = {
        "experiment": found,
        "pins": boards.pins_of(experiment_id),
        "sizes": list(SIZES.items()),
    }
    return render(request, "studio/comparing/board.html", context)


@require_safe
def pin_chart(request: HttpRequest, experiment_id: str, pin_id: int) -> HttpResponse:
    """The chart of a pin as it is now; as JSON for one that is live."""
    found = boards.pin_get(experiment_id, pin_id)
    runs = boards.pin_runs(found)
    made = chart_make(boards.pin_settings(found), runs, best_word([experiment_id]))
    if request.headers.get("Accept") == "application/json":
        return live_answer(made)
    context = chart_context(request, made, [run.id for run in runs])
    context |= {"id": f"pin-{found.pk}", "pin_url": ""}
    query = made.settings.as_query([run.id for run in runs])
    context["compare_url"] = f"{reverse('studio:compare')}?{query}" if len(runs) > 1 else ""
    return render(request, "studio/comparing/_chart.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def pin_edit(request: HttpRequest, experiment_id: str, pin_id: int) -> HttpResponse:
    """Rename a chart, in the panel."""
    found = boards.pin_get(experiment_id, pin_id)
    form = PinEditForm(request.POST or None, initial={"title": found.title})
    if request.method == "POST" and form.is_valid():
        try:
            boards.pin_update(pin=found, title=form.cleaned_data["title"])
            return _back(request, experiment_id)
        except Problem as problem:
            _problem_add(form, problem)
    status = UNPROCESSABLE if form.errors else 200
    template = "studio/comparing/pin_edit.html" + ("#panel" if request.htmx else "")  # type: ignore[attr-defined]
    context = {"form": form, "pin": found, "experiment_id": experiment_id}
    return render(request, template, context, status=status)


@require_POST
def pin_size(request: HttpRequest, experiment_id: str, pin_id: int) -> HttpResponseBase:
    """Make a chart as wide as `size` says."""
    text = request.POST.get("size", "")
    size = int(text) if text in {"1", "2", "3"} else 0
    boards.pin_update(pin=boards.pin_get(experiment_id, pin_id), size=size)
    return _back(request, experiment_id, pin_id)


@require_POST
def pin_move(request: HttpRequest, experiment_id: str, pin_id: int) -> HttpResponseBase:
    """Move a chart one place; `to` is "start" or "end"."""
    found: Pin = boards.pin_get(experiment_id, pin_id)
    boards.pin_move(pin=found, by=-1 if request.POST.get("to") == "start" else 1)
    return _back(request, experiment_id, pin_id)


@require_POST
def pin_remove(request: HttpRequest, experiment_id: str, pin_id: int) -> HttpResponseBase:
    found = boards.pin_get(experiment_id, pin_id)
    boards.pin_remove(pin=found)
    messages.success(request, _("Removed from the board: %(title)s") % {"title": found.title})
    return _back(request, experiment_id)


def _back(request: HttpRequest, experiment_id: str, pin_id: int = 0) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRefresh()
    url = reverse("studio:board", args=[experiment_id])
    return redirect(f"{url}#pin-card-{pin_id}" if pin_id else url)
