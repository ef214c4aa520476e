"""Saving, changing and deleting views of runs, and taking the runs of a view elsewhere."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from studio.experiments import saved_views
from studio.experiments.exporting import (
    FORMATS,
    export_columns,
    export_name,
    runs_of,
    snippet,
)
from studio.experiments.models import SavedView
from studio.experiments.selectors import ListQuery, columns_for
from studio.experiments.views import columns_remembered
from studio.streaming import download
from workspaces import deadline, tracking
from workspaces.errors import Invalid, Problem


@require_POST
def view_save(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Save the list as it is under a name."""
    query = request.POST.get("query", "")
    try:
        row = saved_views.view_create(
            user=request.user,
            experiment_id=experiment_id,
            name=request.POST.get("name", ""),
            query=query,
            shared="shared" in request.POST,
        )
    except Problem as problem:
        messages.error(request, problem.message)
        return redirect(f"{_page(experiment_id)}?{saved_views.query_clean(query)}")
    messages.success(request, _("The view “%(name)s” was saved.") % {"name": row.name})
    return redirect(view_url(row))


@require_POST
def view_change(request: HttpRequest, view_id: int) -> HttpResponse:
    """Write the list as it is into a view of one's own, rename, share or delete it."""
    row = saved_views.view_get(request.user, view_id)
    back = view_url(row)
    try:
        if request.POST.get("action") == "delete":
            saved_views.view_delete(user=request.user, view_id=view_id)
            messages.success(request, _("The view “%(name)s” was deleted.") % {"name": row.name})
            return redirect(f"{_page(row.experiment_id)}?{row.query}")
        row = saved_views.view_update(
            user=request.user,
            view_id=view_id,
            name=request.POST.get("name"),
            query=request.POST.get("query"),
            shared="shared" in request.POST if "name" in request.POST else None,
        )
    except Problem as problem:
        messages.error(request, problem.message)
        return redirect(back)
    messages.success(request, _("The view “%(name)s” was changed.") % {"name": row.name})
    return redirect(view_url(row))


def _page(experiment_id: str) -> str:
    return reverse("studio:experiment", args=[experiment_id])


def view_url(row: SavedView) -> str:
    """Where a saved view is opened."""
    changed = QueryDict(row.query, mutable=True)
    changed["saved"] = str(row.pk)
    return f"{_page(row.experiment_id)}?{changed.urlencode()}"


@require_safe
@deadline.lifted()
def runs_export(request: HttpRequest, experiment_id: str) -> HttpResponseBase:
    """All runs of the view as a file."""
    kind = request.GET.get("format", "")
    if kind not in FORMATS:
        text = _("Runs are exported as %(known)s.") % {"known": ", ".join(FORMATS)}
        raise Invalid(text, fields={"format": [text]})
    query = ListQuery.of(request.GET)
    name = tracking.experiment_get(experiment_id).name
    remembered = columns_remembered(request, experiment_id)
    columns = export_columns(columns_for(experiment_id, query, remembered))
    found = runs_of(experiment_id, query, columns)
    content_type, chunks = FORMATS[kind]
    return download(request, chunks(found, columns), export_name(name, kind), content_type)


@require_safe
def runs_snippet(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Python that makes the same list, in the side panel or as a page."""
    query = ListQuery.of(request.GET)
    remembered = columns_remembered(request, experiment_id)
    columns = columns_for(experiment_id, query, remembered)
    text = snippet(experiment_id, query, columns, request.build_absolute_uri("/mlflow"))
    context = {"experiment": tracking.experiment_get(experiment_id), "snippet": text}
    name = "_snippet" if request.htmx else "snippet"  # type: ignore[attr-defined]
    return render(request, f"studio/experiments/{name}.html", context)
