"""What people do to experiments and runs from the lists. Every change goes through `services`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from studio.experiments import services
from studio.experiments.views import about_context
from workspaces import tracking
from workspaces.errors import Invalid, Problem, Unavailable

UNPROCESSABLE = 422


def back_to(request: HttpRequest, otherwise: str) -> str:
    """The page of this studio that a form names as the one to go back to."""
    wanted = request.POST.get("next", "")
    if wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, None):
        return wanted
    return otherwise


@require_POST
def experiment_star(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Star an experiment, or take the star away; htmx gets the new button."""
    starred = request.POST.get("starred") == "1"
    if starred:
        services.star_set(experiment_id=experiment_id, user=request.user)
    else:
        services.star_remove(experiment_id=experiment_id, user=request.user)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"experiment_id": experiment_id, "starred": starred}
        return render(request, "studio/experiments/_star.html", context)
    return redirect(back_to(request, reverse("studio:experiments")))


@require_POST
def experiment_archive(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Archive an experiment with its runs."""
    name = tracking.experiment_get(experiment_id).name
    services.experiment_archive(experiment_id=experiment_id, user=request.user)
    text = _("“%(name)s” was archived. It can be restored from the tab Archived.")
    messages.success(request, text % {"name": name})
    return redirect(back_to(request, reverse("studio:experiments")))


@require_POST
def experiment_restore(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Bring back an archived experiment with its runs."""
    name = tracking.experiment_get(experiment_id).name
    services.experiment_restore(experiment_id=experiment_id, user=request.user)
    messages.success(request, _("“%(name)s” was restored.") % {"name": name})
    return redirect(back_to(request, reverse("studio:experiment", args=[experiment_id])))


@require_http_methods(["GET", "HEAD", "POST"])
def experiment_notes(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """The description of an experiment, edited in place."""
    text = request.POST.get("description", "").replace("\r\n", "\n")
    return _about(
        request,
        experiment_id,
        lambda: services.experiment_update(
            experiment_id=experiment_id, description=text, user=request.user
        ),
        {"editing": request.method != "POST"},
        {"editing": True, "typed": text},
    )


@require_POST
def experiment_tags(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Set or remove one tag of an experiment, in place."""

    def save() -> None:
        tags = tracking.experiment_get(experiment_id).own_tags
        gone = request.POST.get("remove")
        if gone is not None:
            tags.pop(gone, None)
        else:
            tags[request.POST.get("key", "").strip()] = request.POST.get("value", "")
        services.experiment_update(experiment_id=experiment_id, tags=tags, user=request.user)

    return _about(request, experiment_id, save, {}, {})


def _about(
    request: HttpRequest,
    experiment_id: str,
    save: Callable[[], Any],
    done: dict[str, Any],
    wrong: dict[str, Any],
) -> HttpResponse:
    """Save what was posted; htmx gets the part "about" again, other browsers the page."""
    problem, extra, status = None, done, 200
    if request.method == "POST":
        try:
            save()
        except Unavailable:
            raise  # reading the experiment for the form would wait once more
        except Problem as error:
            problem, extra, status = error, wrong, UNPROCESSABLE
    if request.method == "POST" and not problem and not request.htmx:  # type: ignore[attr-defined]
        return redirect("studio:experiment", experiment_id)
    found = tracking.experiment_get(experiment_id)
    context = {**about_context(found, request), "problem": problem, **extra, "open": True}
    name = "_about" if request.htmx else "about"  # type: ignore[attr-defined]
    return render(request, f"studio/experiments/{name}.html", context, status=status)


# --- ticked runs ---------------------------------------------------------------------------------


@require_POST
def runs_bulk(request: HttpRequest, experiment_id: str) -> HttpResponse:
    """Compare, tag, archive or restore the runs that were ticked."""
    back = back_to(request, reverse("studio:experiment", args=[experiment_id]))
    act = BULK.get(request.POST.get("action", ""))
    try:
        ids = services.run_ids_read(request.POST.getlist("run"))
        if act is None:
            raise Invalid(_("Choose what to do with the ticked runs."))
        return redirect(act(request, ids) or back)
    except Problem as problem:
        messages.error(request, problem.message)
        return redirect(back)


def _compare(request: HttpRequest, ids: list[str]) -> str:
    return "/compare/?" + urlencode([("run", one) for one in ids])


def _tag(request: HttpRequest, ids: list[str]) -> str:
    key = request.POST.get("key", "").strip()
    count = services.runs_tag(run_ids=ids, key=key, value=request.POST.get("value", ""))
    text = ngettext("%(n)s run was tagged.", "%(n)s runs were tagged.", count)
    messages.success(request, text % {"n": count})
    return ""


def _untag(request: HttpRequest, ids: list[str]) -> str:
    count = services.runs_untag(run_ids=ids, key=request.POST.get("key", "").strip())
    text = ngettext("The tag was taken off %(n)s run.", "It was taken off %(n)s runs.", count)
    messages.success(request, text % {"n": count})
    return ""


def _archive(request: HttpRequest, ids: list[str]) -> str:
    count = services.runs_archive(run_ids=ids, user=request.user)
    text = ngettext("%(n)s run was archived.", "%(n)s runs were archived.", count)
    messages.success(request, text % {"n": count})
    return ""


def _restore(request: HttpRequest, ids: list[str]) -> str:
    count = services.runs_restore(run_ids=ids, user=request.user)
    text = ngettext("%(n)s run was restored.", "%(n)s runs were restored.", count)
    messages.success(request, text % {"n": count})
    return ""


def _purge(request: HttpRequest, ids: list[str]) -> str:
    count = services.runs_purge(run_ids=ids, user=request.user)
    text = ngettext("%(n)s run was deleted.", "%(n)s runs were deleted.", count)
    messages.success(request, text % {"n": count})
    return ""


BULK: dict[str, Callable[[HttpRequest, list[str]], str]] = {
    "compare": _compare,
    "tag": _tag,
    "untag": _untag,
    "archive": _archive,
    "restore": _restore,
    "purge": _purge,
}
