"""The site of test_parts.py: a page of every component, answers that fail, a growing log."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template import engines
from django.urls import path
from django_cotton.compiler_regex import CottonCompiler

from config.urls import handler404, handler500
from config.urls import urlpatterns as pages
from deployments.choices import ServiceState

__all__ = ["handler404", "handler500"]
posted: list[dict[str, str]] = []
failing = {"lazy": False, "log": False}
LOG = "INFO starting\nWARNING slow disk\nERROR it broke\n  at line 3\nINFO done\n"

PAGES = Path(__file__).resolve().parent / "pages"


def render(request: HttpRequest, page: str, status: int = 200, **context: object) -> HttpResponse:
    text = (PAGES / page).read_text("utf-8")
    template = engines["django"].from_string(CottonCompiler().process(text))
    return HttpResponse(template.render(context, request), status=status)


def parts(request: HttpRequest) -> HttpResponse:
    states = list(ServiceState.values)
    figure = {"data": [{"type": "scatter", "x": [0, 1, 2], "y": [3, 2, 1]}], "layout": {}}
    return render(
        request,
        "parts.html",
        states=states,
        figure=figure,
        values=[1, 4, 2, None, 5, 6],
        fields={"cpu": ["must be above 0"]},
    )


def panel(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return render(request, "panel.html", name="iris")
    if request.POST["name"] == "taken":
        return render(
            request, "panel.html", status=422, name="taken", errors=["Choose another name."]
        )
    posted.append({"panel": request.POST["name"]})
    return HttpResponse(headers={"HX-Redirect": "/"})


def done(request: HttpRequest) -> HttpResponse:
    posted.append({"done": request.method or ""})
    return redirect("/")


def refused(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "“iris” is being updated."}, status=409)


def lazy(request: HttpRequest) -> HttpResponse:
    if failing["lazy"]:
        return HttpResponse(status=503)
    return HttpResponse("<p>Here they are.</p>")


def keys(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"primary": "key-of-iris"})


def log(request: HttpRequest) -> HttpResponse:
    if failing["log"]:
        return HttpResponse(status=503)
    offset = int(request.GET["offset"])
    text = LOG[offset : offset + 20]  # cuts lines in the middle, as a growing file does
    end = offset + len(text)
    return JsonResponse({"text": text, "next_offset": end, "complete": end == len(LOG)})


def ended(request: HttpRequest) -> HttpResponse:
    return render(request, "ended.html")


urlpatterns = [
    path("parts/ended/", ended),
    path("parts/", parts),
    path("parts/panel/", panel),
    path("parts/done/", done),
    path("parts/refused/", refused),
    path("parts/lazy/", lazy),
    path("parts/keys/", keys),
    path("parts/log/", log),
    *pages,
]
