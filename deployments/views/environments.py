"""Pages of environments: list, one version with its lock, making one, what is built."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployments.building import environment_builds as built
from deployments.building import environment_requests as requests
from deployments.building.environment_locks import lock_of, pinned, total_installed, total_size
from deployments.models import Service
from deployments.pages.environment_form import EnvironmentForm, initial_of
from deployments.pages.script_form import environment_names
from deployments.views.common import acts
from registry.environments import selectors, services
from registry.environments.curated import curated_ensure, curated_missing
from registry.environments.versions import version_row
from registry.forms import problem_add
from registry.models import EnvironmentVersion
from workspaces.errors import Problem

UNPROCESSABLE = 422
VERSIONS = 20  # beside the one that is shown
SERVICES = 20
BUILDS = 50


@require_safe
def environments_list(request: HttpRequest) -> HttpResponse:
    """Every environment that is not archived, by name, with its latest version."""
    if curated_missing():
        curated_ensure()
    search, kind = request.GET.get("q", ""), request.GET.get("kind", "")
    page = selectors.environments_page(search, kind, request.GET.get("page_token", ""))
    context = {"page": page, "search": search, "kind": kind, "kinds": _kinds()}
    return render(request, "deployments/environments.html", context)


@require_safe
def environment_options(request: HttpRequest) -> HttpResponse:
    """Options for the Deploy page's select, asked for when somebody comes back to that page."""
    chosen = request.GET.get("environment", "")
    context = {"environments": environment_names(chosen), "chosen": chosen}
    return render(request, "deployments/_environment_options.html", context)


def _kinds() -> list[tuple[str, str]]:
    return [("custom", _("Custom")), ("curated", _("Curated")), ("archived", _("Archived"))]


@require_safe
def environment_page(request: HttpRequest, name: str, version: str = "") -> HttpResponse:
    """One version, the latest without `version`; looks again while something is under way.

    Args:
        name: NAME, or NAME:VERSION as an inference configuration has it.
    """
    name, _colon, of_name = name.partition(":")
    row = selectors.version_find(name, version or of_name)
    targets = requests.build_targets()
    operations = requests.operations_of(row, targets)
    lock = lock_of(row)
    packages = pinned(lock) if lock else []
    context: dict[str, Any] = {
        "row": row,
        "environment": row.environment,
        "lock": lock,
        "packages": packages,
        "download_bytes": total_size(packages),
        "installed_bytes": total_installed(packages),
        "operations": operations,
        "moving": any(item.is_open for item in operations),
    }
    if request.GET.get("part") == "state":
        return render(request, "deployments/environment.html#state", context)
    page = selectors.versions_page(row.environment, request.GET.get("page_token", ""), VERSIONS)
    context |= {"targets": targets, "page": page, "services": _services(row)}
    return render(request, "deployments/environment.html", context)


def _services(row: EnvironmentVersion) -> list[Service]:
    """Services whose wanted revision names this version."""
    rows = Service.objects.filter(wanted__inference__environment=str(row))
    return list(rows.order_by("name")[:SERVICES])


@require_http_methods(["GET", "HEAD", "POST"])
def environment_new(request: HttpRequest) -> HttpResponse:
    """Make an environment, or the next version of one."""
    if request.method == "POST":
        form = EnvironmentForm(request.POST, request.FILES)
        if form.is_valid() and (made := _make(request, form)):
            return made
        context = {"form": form}
        return render(request, "deployments/environment_new.html", context, status=UNPROCESSABLE)
    form = EnvironmentForm(initial=_initial(request))
    return render(request, "deployments/environment_new.html", {"form": form})


def _initial(request: HttpRequest) -> dict[str, Any]:
    """What the form starts with: an existing version, or a model that was named."""
    if ref := request.GET.get("from", ""):
        return initial_of(version_row(ref))
    model, version = request.GET.get("model", ""), request.GET.get("version", "")
    if not model or not version:
        return {"name": request.GET.get("name", "")}
    return {"name": services.name_for(model), "model": f"models:/{model}/{version}"}


def _make(request: HttpRequest, form: EnvironmentForm) -> HttpResponse | None:
    try:
        row, _operation = requests.environment_add(user=request.user, **form.values())  # type: ignore[arg-type]
    except Problem as problem:
        problem_add(form, problem)
        return None
    text = _("Made %(ref)s. Its lock is being resolved.")
    messages.success(request, text % {"ref": row})
    return redirect(_url(row))


def _url(row: EnvironmentVersion) -> str:
    return reverse("deployments:environment-version", args=[row.environment.name, row.version])


@require_POST
@acts
def environment_resolve(request: HttpRequest, name: str, version: str) -> str:
    """Resolve the lock of a version."""
    row = selectors.version_find(name, version)
    requests.lock_request(row=row, user=request.user)  # type: ignore[arg-type]
    return _url(row)


@require_POST
@acts
def environment_build(request: HttpRequest, name: str, version: str, target: str) -> str:
    """Build a version ahead; leads to the operation's steps."""
    row = selectors.version_find(name, version)
    operation = requests.build_request(row=row, target=target, user=request.user)  # type: ignore[arg-type]
    return reverse("deployments:operation", args=[operation.pk])


@require_POST
@acts
def environment_archive(
    request: HttpRequest, name: str, version: str, *, archived: bool = True
) -> str:
    """Hide a version from lists, or show it again."""
    row = services.environment_archive(
        name=name, version=version, archived=archived, user=request.user
    )
    done = _("%(ref)s is archived.") if archived else _("%(ref)s is shown again.")
    messages.success(request, done % {"ref": row})
    return _url(row)


@require_safe
def builds_page(request: HttpRequest) -> HttpResponse:
    """What is built. The list loads by itself: a Docker host may answer slowly."""
    if not request.GET.get("part"):
        return render(request, "deployments/environment_builds.html")
    digest = request.GET.get("hash", "")
    found = built.builds_of(digest) if digest else built.builds_list()
    items, token = built.builds_page(found, request.GET.get("page_token", ""), BUILDS)
    context = {
        "items": items,
        "next_token": token,
        "problems": found.problems,
        "of_one": bool(digest),
        "total": sum(item.size_bytes for item in found.items if not item.image),
        "unused": sum(map(built.is_unused, found.items)),
    }
    return render(request, "deployments/environment_builds.html#list", context)


@require_POST
@acts
def build_remove(request: HttpRequest, digest: str, target: str) -> str:
    """Remove one build."""
    built.build_remove(digest=digest, target=target, user=request.user)  # type: ignore[arg-type]
    messages.success(request, _("Removed. It is made again when it is needed."))
    return reverse("deployments:environment-builds")


@require_POST
@acts
def builds_remove_unused(request: HttpRequest) -> str:
    """Remove all builds that nothing needs."""
    count = built.builds_remove_unused(user=request.user)  # type: ignore[arg-type]
    text = ngettext("Removed %(count)s build.", "Removed %(count)s builds.", count)
    messages.success(request, text % {"count": count})
    return reverse("deployments:environment-builds")
