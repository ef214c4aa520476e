"""The page of the global search, and the parts that its dialog loads."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio.search.finding import (
    MOST_RUNS,
    count_of,
    group_find,
    groups_find,
    runs_find,
    text_clean,
)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """The search as a page of its own, with an address; with `kind=runs` all runs of that name."""
    text = text_clean(request.GET.get("q", ""))
    if text and request.GET.get("kind") == "runs":
        context = {"text": text, "found": runs_find(text), "most": MOST_RUNS}
        return render(request, "studio/search/runs.html", context)
    return _answer(request, "studio/search/search.html")


@require_safe
def search_results(request: HttpRequest) -> HttpResponse:
    """What the dialog shows below its box."""
    return _answer(request, "studio/search/_results.html")


def _answer(request: HttpRequest, template: str) -> HttpResponse:
    text = text_clean(request.GET.get("q", ""))
    groups = groups_find(text)
    context = {
        "text": text,
        "groups": groups,
        "count": count_of(groups),
        "waiting": any(group.late or group.problem for group in groups),
    }
    return render(request, template, context)


@require_safe
def search_group(request: HttpRequest, key: str) -> HttpResponse:
    """One group that was late, however long it takes."""
    text = text_clean(request.GET.get("q", ""))
    context = {"group": group_find(key, text), "text": text, "alone": True}
    return render(request, "studio/search/_group.html", context)
