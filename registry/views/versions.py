"""More of a version than its page: notes, properties, the archive, and two of them compared."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from registry import selectors, services
from registry.downloads import archive_response
from registry.forms import NotesForm, problem_add
from workspaces import deadline
from workspaces.errors import Invalid, Problem

UNPROCESSABLE = 422


@require_safe
@deadline.lifted()
def download(request: HttpRequest, name: str, version: str) -> HttpResponseBase:
    """All files of a version as one zip."""
    return archive_response(request, name, version)


@require_http_methods(["GET", "HEAD", "POST"])
def notes(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """The notes of a version, in the side panel."""
    info = selectors.version_get(name, version, read_files=False)
    form = NotesForm(request.POST or None, initial={"notes": info.notes})
    if request.method == "POST" and form.is_valid():
        try:
            services.version_update(
                name=name, version=version, notes=form.cleaned_data["notes"], user=request.user
            )
            back = reverse("registry:version", args=[name, version])
            return HttpResponseClientRedirect(back) if request.htmx else redirect(back)  # type: ignore[attr-defined]
        except Invalid as problem:
            problem_add(form, problem)
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "registry/_notes_form.html", {"form": form}, status=status)


@require_POST
def properties(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Add one property to a version, in place; there is no way to change one."""
    action, problem = reverse("registry:version-properties", args=[name, version]), None
    added = {request.POST.get("key", "").strip(): request.POST.get("value", "")}
    try:
        info = services.version_update(
            name=name, version=version, properties=added, user=request.user
        )
    except Problem as error:
        problem = error
        info = selectors.version_get(name, version, read_files=False)
    context = {"properties": info.properties, "action": action, "problem": problem}
    status = UNPROCESSABLE if problem else 200
    return render(request, "registry/_properties.html", context, status=status)


@require_safe
def comparison(request: HttpRequest, name: str) -> HttpResponse:
    """Two versions of a model side by side; the two newest where none are named."""
    known = [item.version for item in selectors.versions_list(name)]
    left = request.GET.get("left") or (known[1] if len(known) > 1 else (known or [""])[0])
    right = request.GET.get("right") or (known or [""])[0]
    context: dict[str, Any] = {
        "model": selectors.model_get(name),
        "versions": known,
        "left": left,
        "right": right,
    }
    if known:
        found = selectors.versions_compare(name, left, right)
        context |= {"groups": found.groups, "problem": found.problem}
        if left == right:
            context["problem"] = _("Choose two different versions.")
    return render(request, "registry/compare.html", context)
