"""The policy of pages (/mlflow/ has its own, set by the proxy) and how long a page may wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from workspaces import deadline

PAGES = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)
HEADER = "Content-Security-Policy"

Answer = HttpResponseBase
GetResponse = Callable[[HttpRequest], Answer | Awaitable[Answer]]


class _EitherWay:
    """A middleware that serves both ways to call a view, plainly and awaited."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer | Awaitable[Answer]:
        return self.get_response(request)


class ContentSecurityPolicyMiddleware(_EitherWay):
    """Adds the policy of pages, unless the view set one of its own (an artifact's preview)."""

    def __call__(self, request: HttpRequest) -> Answer | Awaitable[Answer]:
        answer = self.get_response(request)
        return self._later(answer) if isinstance(answer, Awaitable) else _with_policy(answer)

    async def _later(self, answer: Awaitable[Answer]) -> Answer:
        return _with_policy(await answer)


class DeadlineMiddleware(_EitherWay):
    """Holds pages and fragments to `workspaces.deadline`.

    Not the API, whose callers have timeouts of their own, and nothing that changes something: what
    was begun for many runs is not cut short.
    """

    def __call__(self, request: HttpRequest) -> Answer | Awaitable[Answer]:
        if request.method not in {"GET", "HEAD"} or request.path_info.startswith("/api/"):
            return self.get_response(request)
        if iscoroutinefunction(self.get_response):
            return self._later(request)
        with deadline.page():
            return self.get_response(request)

    async def _later(self, request: HttpRequest) -> Answer:
        with deadline.page():
            return await cast("Awaitable[Answer]", self.get_response(request))


def _with_policy(answer: Answer) -> Answer:
    answer.headers.setdefault(HEADER, PAGES)
    return answer
