"""Answers for what went wrong: pages of the frame, JSON below /api/ and for htmx."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext_lazy as _

from workspaces.errors import Problem

CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 500: "error"}  # with a page
SENTENCES = {
    400: _("This request cannot be understood. Go back and try again."),
    403: _("You may not do this. Ask an administrator of this studio for the right to."),
    404: _("There is no such page. It may have been deleted, or the address has a typing error."),
    500: _("Something went wrong in the studio. The log of the web process has the details."),
}
CSRF = _("This form was open for too long, or cookies are off. Load the page again and retry.")


def _answer(
    request: HttpRequest,
    status: int,
    message: str,
    *,
    code: str = "",
    problem: Problem | None = None,
) -> HttpResponseBase:
    fields = problem.fields if problem else {}
    if request.path_info.startswith("/api/") or request.headers.get("HX-Request"):
        body = {"code": code or CODES.get(status, "error"), "message": message, "fields": fields}
        return JsonResponse(body, status=status)
    page = status if status in CODES else 400
    context = {"status": status, "message": message, "problem": problem, "again": _again(request)}
    return render(request, f"errors/{page}.html", context, status=status)


def _again(request: HttpRequest) -> str:
    """Where to try again: this page, or the page whose form was sent."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    page = urlsplit(request.headers.get("Referer", ""))
    if page.netloc != request.get_host():
        return "/"
    return f"{page.path}?{page.query}" if page.query else page.path or "/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _answer(request, 400, str(SENTENCES[400]))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _answer(request, 403, str(exception) or str(SENTENCES[403]))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _answer(request, 404, str(SENTENCES[404]))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    return _answer(request, 403, str(CSRF))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """The last answer: touches neither database nor session, which may be what is broken."""
    if request.path_info.startswith("/api/") or request.headers.get("HX-Request"):
        return JsonResponse({"code": "error", "message": str(SENTENCES[500])}, status=500)
    page = render_to_string("errors/500.html", {"message": str(SENTENCES[500])})
    return HttpResponse(page, status=500)


class ProblemMiddleware(MiddlewareMixin):
    """A Problem that no page handled becomes its own page (or JSON) instead of a 500."""

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        if not isinstance(exception, Problem):
            return None
        return _answer(
            request, exception.status, exception.message, code=exception.code, problem=exception
        )
