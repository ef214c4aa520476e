"""Pages of what was deleted: restoring it, or deleting it for good."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from registry import selectors
from registry.deleted import keeping, purging, restoring
from registry.deleted.restoring import Restored, RestoredModel
from workspaces.errors import Conflict, NotFound, Unavailable

SHOWN = 5  # sentences about versions that could not be restored


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """Deleted models of which nothing lives."""
    page, counts = keeping.models_page(request.GET.get("page_token", ""))
    rows = [(item, counts.get(item.name, 0)) for item in page.items]
    return render(request, "registry/deleted_models.html", {"rows": rows, "page": page})


@require_safe
def model(request: HttpRequest, name: str) -> HttpResponse:
    """A deleted model with its versions; one that lives has them on a tab of its page."""
    keeping.check_kept(name)
    if _lives(name):
        return redirect("registry:model-tab", name, "deleted")
    context = {
        "name": name,
        "kept": keeping.model_find(name),
        "page": keeping.versions_page(name, request.GET.get("page_token", "")),
    }
    return render(request, "registry/deleted_model.html", context)


@require_POST
def model_restore(request: HttpRequest, name: str) -> HttpResponse:
    """Restore a model with all its versions."""
    try:
        found = restoring.model_restore(name=name, user=request.user)
    except (Conflict, Unavailable) as problem:
        messages.error(request, problem.message)
        return _back(name)
    messages.success(request, _model_text(found))
    for text in found.problems[:SHOWN]:
        messages.warning(request, text)
    return redirect("registry:model", name)


@require_POST
def model_purge(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a deleted model for good."""
    try:
        purging.model_purge(name=name, user=request.user)
    except (Conflict, Unavailable) as problem:
        messages.error(request, problem.message)
        return _back(name)
    messages.success(request, _("“%(name)s” was deleted for good.") % {"name": name})
    return _back(name)


@require_POST
def version_restore(request: HttpRequest, deleted_id: int) -> HttpResponse:
    """Restore one version; leads to its page."""
    name = keeping.version_get(deleted_id).name
    try:
        found = restoring.version_restore(deleted_id=deleted_id, user=request.user)
    except (Conflict, Unavailable) as problem:
        messages.error(request, problem.message)
        return _back(name)
    messages.success(request, _version_text(found))
    return redirect("registry:version", found.name, found.version)


@require_POST
def version_purge(request: HttpRequest, deleted_id: int) -> HttpResponse:
    """Delete one deleted version for good."""
    row = keeping.version_get(deleted_id)
    try:
        purging.version_purge(deleted_id=deleted_id, user=request.user)
    except (Conflict, Unavailable) as problem:
        messages.error(request, problem.message)
        return _back(row.name)
    words = {"name": row.name, "version": row.version}
    text = _("The deleted version %(version)s of “%(name)s” was deleted for good.")
    messages.success(request, text % words)
    return _back(row.name)


def _back(name: str) -> HttpResponse:
    """The page that lists what is left of it."""
    if _lives(name):
        return redirect("registry:model-tab", name, "deleted")
    if keeping.is_kept(name):
        return redirect("registry:deleted-model", name)
    return redirect("registry:deleted-models")


def _lives(name: str) -> bool:
    try:
        selectors.model_get(name)
    except NotFound:
        return False
    return True


def _version_text(found: Restored) -> str:
    words = {"name": found.name, "version": found.version, "was": found.was}
    text = _("Version %(was)s of “%(name)s” was restored as version %(version)s.") % words
    if found.aliases_lost:
        aliases = ", ".join(found.aliases_lost)
        more = _("Its aliases %(aliases)s are on other versions now and stay there.")
        text = f"{text} {more % {'aliases': aliases}}"
    return text


def _model_text(found: RestoredModel) -> str:
    text = ngettext(
        "Model “%(name)s” was restored with %(count)s version.",
        "Model “%(name)s” was restored with %(count)s versions.",
        len(found.versions),
    )
    return text % {"name": found.name, "count": len(found.versions)}
