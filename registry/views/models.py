"""Pages of models and versions. Every change goes through `services`, as the API's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from registry import markdown, selectors, services
from registry.deleted import keeping
from registry.formats.recognising import KINDS
from registry.forms import DescriptionForm, RegisterForm, problem_add
from registry.presentation import signature_parts
from registry.uses import uses_of, uses_of_model
from registry.values import VersionInfo, own_tags
from workspaces import tracking
from workspaces.errors import Conflict, Invalid, Problem
from workspaces.tracking.values import Run

TABS = ("versions", "details", "services", "deleted")
UNPROCESSABLE = 422
PLACE = {"artifact", "path"}  # fields of RegisterForm that say what of the run is meant
PAGE_SIZE = 50  # services of a model


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """The list of models; from a remote MLflow it loads by itself after the page."""
    search = request.GET.get("q", "")
    if settings.SLIPWAY.tracking_is_remote and not request.htmx:  # type: ignore[attr-defined]
        return render(request, "registry/models.html", {"search": search, "lazy": True})
    page = selectors.models_list(search, request.GET.get("page_token", ""))
    template = "registry/models.html" + ("#list" if request.htmx else "")  # type: ignore[attr-defined]
    return render(request, template, {"search": search, "page": page})


@require_safe
def model(request: HttpRequest, name: str, tab: str = "versions") -> HttpResponse:
    """A model's page; every tab has an address of its own."""
    if tab not in TABS:
        raise Http404
    found = selectors.model_get(name)
    services = sorted(_services(uses_of_model(name)))
    context: dict[str, Any] = {
        "model": found,
        "tab": tab,
        "services": services,
        "deleted_count": keeping.versions_kept(name).count(),
        "promise": keeping.promise(),
    }
    if tab == "versions":
        context["page"] = selectors.versions_page(name, request.GET.get("page_token", ""))
    if tab == "services":
        context["page"] = Paginator(services, PAGE_SIZE).get_page(request.GET.get("page"))
    if tab == "deleted":
        context["page"] = keeping.versions_page(name, request.GET.get("page_token", ""))
    if tab == "details":
        context["tags"] = own_tags(found.tags)
    return render(request, f"registry/model_{tab}.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def model_edit(request: HttpRequest, name: str) -> HttpResponse:
    """The description of a model, in the side panel."""
    found = selectors.model_get(name)
    return _description(
        request,
        found.description,
        lambda text: services.model_update(name=name, description=text, user=request.user),
        reverse("registry:model-tab", args=[name, "details"]),
    )


@require_POST
def model_tags(request: HttpRequest, name: str) -> HttpResponse:
    """Set or remove one tag of a model, in place."""
    tags = own_tags(selectors.model_get(name).tags)
    action, problem = reverse("registry:model-tags", args=[name]), None
    try:
        services.model_update(name=name, tags=_tags_after(request, tags), user=request.user)
        tags = own_tags(selectors.model_get(name).tags)
    except Problem as error:
        problem = error
    return _part(request, "tags", {"tags": tags, "action": action}, problem)


@require_POST
def model_delete(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a model; refused with the list of services while one uses it."""
    try:
        services.model_delete(name=name, user=request.user)
    except Conflict as problem:
        messages.error(request, problem.message)
        return redirect("registry:model-tab", name, "services")
    text = _("Model “%(name)s” was deleted.") % {"name": name}
    messages.success(request, f"{text} {keeping.promise()}")
    return redirect("registry:models")


@require_safe
def version(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """A version's page; its files, when never read before, are read after the page."""
    info = selectors.version_get(name, version, read_files=False)
    context = {
        **_version_context(info),
        "run": selectors.source_run(info.run_id),
        "services": uses_of(info.name, info.version),
        "promise": keeping.promise(),
    }
    return render(request, "registry/version.html", context)


@require_safe
def version_files(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """The part of a version's page that comes from its files."""
    info = selectors.version_get(name, version)
    return render(request, "registry/version.html#facts", _version_context(info))


@require_http_methods(["GET", "HEAD", "POST"])
def version_edit(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """The description of a version, in the side panel."""
    info = selectors.version_get(name, version, read_files=False)
    return _description(
        request,
        info.description,
        lambda text: services.version_update(
            name=name, version=version, description=text, user=request.user
        ),
        reverse("registry:version", args=[name, version]),
    )


@require_POST
def version_tags(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Set or remove one tag of a version, in place."""
    tags = selectors.version_get(name, version, read_files=False).tags
    action, problem = reverse("registry:version-tags", args=[name, version]), None
    try:
        after = _tags_after(request, tags)
        services.version_update(name=name, version=version, tags=after, user=request.user)
        tags = after
    except Problem as error:
        problem = error
    return _part(request, "tags", {"tags": tags, "action": action}, problem)


@require_POST
def version_aliases(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Point one alias at a version, or take it off, in place."""
    aliases = selectors.version_get(name, version, read_files=False).aliases
    action, problem = reverse("registry:version-aliases", args=[name, version]), None
    gone, new = request.POST.get("remove", ""), request.POST.get("alias", "").strip()
    after = sorted({*aliases, *([] if gone else [new])} - {gone})
    try:
        services.version_update(name=name, version=version, aliases=after, user=request.user)
        aliases = tuple(after)
    except Problem as error:
        problem = error
    return _part(request, "aliases", {"aliases": aliases, "action": action}, problem)


@require_POST
def version_delete(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Delete a version; refused with the list of services while one uses it."""
    try:
        services.version_delete(name=name, version=version, user=request.user)
    except Conflict as problem:
        messages.error(request, problem.message)
        return redirect("registry:version", name, version)
    words = {"name": name, "version": version}
    text = _("Version %(version)s of “%(name)s” was deleted.") % words
    messages.success(request, f"{text} {keeping.promise()}")
    return redirect("registry:model", name)


@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest, run_id: str) -> HttpResponse:
    """Register the model of a run: a side panel, or a page of its own without scripts."""
    run = tracking.run_get(run_id)
    choices = selectors.run_choices(run)
    if request.method == "POST":
        form = RegisterForm(request.POST, choices=choices)
        if form.is_valid() and (made := _register(request, run, form)):
            return made
        return _register_form(request, run, choices, form, status=UNPROCESSABLE)
    wanted, artifact = request.GET.get("path", ""), request.GET.get("artifact", "")
    named = [item for item in choices if item.path == wanted]
    suggested = selectors.name_suggest(run, tuple(named) or choices)
    initial = {"name": suggested, "path": wanted, "artifact": artifact}
    return _register_form(request, run, choices, RegisterForm(choices=choices, initial=initial))


def _register(request: HttpRequest, run: Run, form: RegisterForm) -> HttpResponse | None:
    try:
        info = services.model_register_from_run(
            run_id=run.id,
            path=form.cleaned_data["artifact"] or form.cleaned_data.get("path", ""),
            user=request.user,
            **{key: value for key, value in form.cleaned_data.items() if key not in PLACE},
        )
    except Problem as problem:
        problem_add(form, problem)
        return None
    words = {"name": info.name, "version": info.version}
    messages.success(request, _("Registered “%(name)s”, version %(version)s.") % words)
    url = reverse("registry:version", args=[info.name, info.version])
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)  # type: ignore[attr-defined]


def _register_form(
    request: HttpRequest, run: Run, choices: Any, form: RegisterForm, status: int = 200
) -> HttpResponse:
    template = "registry/register.html" + ("#panel" if request.htmx else "")  # type: ignore[attr-defined]
    artifact = form["artifact"].value() or ""
    context = {"run": run, "choices": choices, "form": form, "artifact": artifact}
    return render(request, template, context, status=status)


def _description(
    request: HttpRequest, text: str, save: Callable[[str], Any], back: str
) -> HttpResponse:
    form = DescriptionForm(request.POST or None, initial={"description": text})
    if request.method == "POST" and form.is_valid():
        try:
            save(form.cleaned_data["description"])
            return HttpResponseClientRedirect(back) if request.htmx else redirect(back)  # type: ignore[attr-defined]
        except Invalid as problem:
            problem_add(form, problem)
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "registry/_description.html", {"form": form}, status=status)


def _tags_after(request: HttpRequest, tags: dict[str, str]) -> dict[str, str]:
    gone = request.POST.get("remove")
    if gone is not None:
        return {key: value for key, value in tags.items() if key != gone}
    return {**tags, request.POST.get("key", "").strip(): request.POST.get("value", "")}


def _part(
    request: HttpRequest, part: str, context: dict[str, Any], problem: Problem | None
) -> HttpResponse:
    status = UNPROCESSABLE if problem else 200
    return render(request, f"registry/_{part}.html", {**context, "problem": problem}, status=status)


def _version_context(info: VersionInfo) -> dict[str, Any]:
    return {
        "info": info,
        "parts": signature_parts(info.signature),
        "kind": KINDS.get(info.format),
        "notes": markdown.render(info.notes) if info.notes else "",
    }


def _services(uses: dict[str, list[str]]) -> set[tuple[str, str]]:
    return {(service, version) for version, found in uses.items() for service in found}
