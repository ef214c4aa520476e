"""Pages of one run: its tabs, and the parts of them that load by themselves."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseStopPolling

from registry import markdown
from studio.experiments.filters import clause_text
from studio.runs.images import has_media, logged_tables
from studio.runs.metric_views import metrics_context
from studio.runs.origins import REASON, origin_of, reason_of
from studio.runs.parameters import parameter_table
from workspaces import tracking
from workspaces.errors import NotFound, Problem
from workspaces.tracking.artifacts import artifact_open, model_card, run_models
from workspaces.tracking.counts import children_counted, runs_children
from workspaces.tracking.sql.search import PARENT
from workspaces.tracking.values import Only, Run, RunModel

TABS = ("overview", "metrics", "parameters", "media", "artifacts", "model")
CHILDREN = 10  # shown of the runs below a run
NEIGHBOURS = 25  # runs offered for a comparison of parameters
ENVIRONMENT_FILES = ("conda.yaml", "python_env.yaml")
ENVIRONMENT_BYTES = 100_000


@require_safe
def run(request: HttpRequest, run_id: str, tab: str = "overview") -> HttpResponse:
    """A run's page; every tab has an address of its own."""
    found = tracking.run_get(run_id)
    context = {**_frame(found, tab), **_TAB_CONTEXTS[tab](request, found)}
    return render(request, f"studio/runs/{tab}.html", context)


def _frame(found: Run, tab: str) -> dict[str, Any]:
    return {
        "run": found,
        "tab": tab,
        "experiment_name": _experiment_name(found),
        "register_url": reverse("registry:register", args=[found.id]),
        "why_not_register": why_not_register(found),
        "has_media": has_media(found.tags) or tab == "media",
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
    return {
        "metrics": list(found.metrics.items())[:12],
        "origin": origin_of(found),
        "reason": reason_of(found),
        "reason_tag": REASON,
        "notes": markdown.render(found.notes) if found.notes else "",
        "children": _children_count(found),
        "children_url": _children_url(found),
    }


def _children_count(found: Run) -> int | None:
    """From an index alone; None, "to be looked for", with a remote server or a store that fails."""
    try:
        counted = children_counted([found.id])
    except Problem:  # the run is shown all the same
        return None
    return None if counted is None else counted.get(found.id, 0)


def _children_url(found: Run) -> str:
    """The experiment's list with the runs below this one alone."""
    query = {"layout": "flat", "filter": clause_text("tags", PARENT, "=", found.id)}
    return f"{reverse('studio:experiment', args=[found.experiment_id])}?{urlencode(query)}"


def _parameters(request: HttpRequest, found: Run) -> dict[str, Any]:
    text, wanted = request.GET.get("q", "").strip()[:500], request.GET.get("with", "").strip()
    only_different = request.GET.get("differ") == "1"
    other, problem = _other_run(wanted)
    table = parameter_table(
        found.params,
        other.params if other else None,
        text=text,
        only_different=only_different,
    )
    return {
        "text": text,
        "wanted": wanted,
        "other": other,
        "problem": problem,
        "only_different": only_different,
        "table": table,
    }


def _other_run(run_id: str) -> tuple[Run | None, Problem | None]:
    if not run_id:
        return None, None
    try:
        return tracking.run_get(run_id), None
    except Problem as problem:
        return None, problem


def _media(request: HttpRequest, found: Run) -> dict[str, Any]:
    return {"tables": logged_tables(found.tags)}


def _artifacts(request: HttpRequest, found: Run) -> dict[str, Any]:
    return {
        "path": request.GET.get("path", ""),
        "model_id": request.GET.get("model", ""),
        "rows": request.GET.get("rows", ""),
    }


def _model(request: HttpRequest, found: Run) -> dict[str, Any]:
    return {"chosen": request.GET.get("model", "")}


_TAB_CONTEXTS = {
    "overview": _overview,
    "metrics": metrics_context,
    "parameters": _parameters,
    "media": _media,
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
def neighbours(request: HttpRequest, run_id: str) -> HttpResponse:
    """The newest runs of the same experiment, in the side panel, to compare parameters with."""
    found = tracking.run_get(run_id)
    page = tracking.runs_search(
        experiment_ids=[found.experiment_id],
        order_by=["attributes.start_time DESC"],
        limit=NEIGHBOURS + 1,
    )
    others = [other for other in page.items if other.id != run_id][:NEIGHBOURS]
    return render(request, "studio/runs/_neighbours.html", {"run": found, "others": others})


@require_safe
def below(request: HttpRequest, run_id: str) -> HttpResponse:
    """The newest child runs, for the overview; loads by itself."""
    found = tracking.run_get(run_id)
    page = runs_children(
        found, order_by=["attributes.start_time DESC"], limit=CHILDREN, only=Only((), (), ())
    )
    context = {"run": found, "children": page.items, "children_url": _children_url(found)}
    return render(request, "studio/runs/_below.html", context)


@require_safe
def logged_models(request: HttpRequest, run_id: str) -> HttpResponse:
    """The models that a run logged, for its overview; a call each, so it loads by itself."""
    found = tracking.run_get(run_id)
    return render(
        request, "studio/runs/_logged_models.html", {"run": found, "models": run_models(found)}
    )


@require_safe
def model_part(request: HttpRequest, run_id: str) -> HttpResponse:
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


def _card(model: RunModel) -> dict[str, Any]:
    try:
        card = model_card(model)
    except Problem as problem:
        return {"problem": problem}
    return {"card": card, "environment": _environment(model, {file.path for file in card.files})}


def _environment(model: RunModel, names: set[str]) -> list[tuple[str, str, str]]:
    """Id, name and text of the files that describe the model's environment."""
    found = []
    for name in ENVIRONMENT_FILES:
        if name not in names:
            continue
        try:
            text = artifact_open(model.artifact_uri, name).read(ENVIRONMENT_BYTES)
        except Problem:
            continue  # the other facts are shown all the same
        found.append((name.replace(".", "-"), name, text.decode("utf-8", "replace")))
    return found
