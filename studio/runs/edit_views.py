"""Changing a run in place: its tags and its notes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from studio.runs import services
from workspaces import tracking
from workspaces.errors import Problem, Unavailable

UNPROCESSABLE = 422


@require_POST
def tags(request: HttpRequest, run_id: str) -> HttpResponse:
    """Set or remove one tag, in place."""
    post, problem = request.POST, None
    try:
        if "remove" in post:
            found = services.run_remove_tag(run_id=run_id, key=post["remove"], user=request.user)
        else:
            found = services.run_set_tag(
                run_id=run_id,
                key=post.get("key", "").strip(),
                value=post.get("value", ""),
                user=request.user,
            )
    except Unavailable:
        raise  # reading the run for the form would wait once more
    except Problem as error:
        problem, found = error, tracking.run_get(run_id)
    if not request.htmx and problem is None:  # type: ignore[attr-defined]
        return redirect("studio:run", run_id)
    status = UNPROCESSABLE if problem else 200
    context = {"run": found, "problem": problem}
    return render(request, "studio/runs/_tags.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def notes(request: HttpRequest, run_id: str) -> HttpResponse:
    """The notes of a run, in the side panel."""
    text, problem = request.POST.get("notes", "").replace("\r\n", "\n"), None
    if request.method == "POST":
        try:
            services.run_set_notes(run_id=run_id, text=text, user=request.user)
            back = reverse("studio:run", args=[run_id])
            return HttpResponseClientRedirect(back) if request.htmx else redirect(back)  # type: ignore[attr-defined]
        except Problem as error:
            problem = error
    else:
        text = tracking.run_get(run_id).notes
    status = UNPROCESSABLE if problem else 200
    context = {"text": text, "problem": problem, "limit": services.LONGEST_NOTES}
    return render(request, "studio/runs/_notes_form.html", context, status=status)
