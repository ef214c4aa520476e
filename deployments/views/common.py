"""What the views of this app share: finding, answering, and saying what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.utils.cache import patch_cache_control
from django.utils.http import url_has_allowed_host_and_scheme

from deployments.choices import Desired, OperationStatus, ServiceState
from deployments.models import Operation, Service
from workspaces.errors import NotFound, Problem

STOP_POLLING = 286  # htmx: swap this answer and ask no more
MOVING = frozenset({ServiceState.TRANSITIONING, ServiceState.DELETING})
UNSETTLED = frozenset({ServiceState.UNHEALTHY, ServiceState.UNSCHEDULABLE})

View = Callable[..., HttpResponseBase]


def acts(view: Callable[..., str]) -> View:
    """A view of a POST: a Problem becomes a message, and the person stays where they were.

    The view returns the URL to go to.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            url = view(request, *args, **kwargs)
        except NotFound:
            raise  # a page that does not exist
        except Problem as problem:
            messages.error(request, problem.message)
            url = came_from(request)
        return go(request, str(url))

    return guarded


def came_from(request: HttpRequest, default: str = "/services/") -> str:
    """The page of this studio that the request was made on."""
    before = request.headers.get("referer", "")
    if url_has_allowed_host_and_scheme(before, {request.get_host()}, request.is_secure()):
        return before
    return default


def go(request: HttpRequest, url: str) -> HttpResponse:
    """Send the browser to a page, also from an htmx request."""
    if getattr(request, "htmx", False):
        response = HttpResponse(status=204)
        response["HX-Redirect"] = url
        return response
    return HttpResponseRedirect(url)


def secret(response: HttpResponse) -> HttpResponse:
    """Keep a response with keys out of every cache."""
    patch_cache_control(response, no_store=True, private=True)
    return response


def staff_only(view: View) -> View:
    """Refuse people who are no administrators (403); anonymous ones are sent to sign in before."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def whole(text: str | None, default: int = 0) -> int:
    """A number of a query string, not below 0; the default for anything else."""
    try:
        return min(max(int(text or ""), 0), 2**53)
    except ValueError:
        return default


def is_moving(service: Service, operation: Operation | None) -> bool:
    """Whether a page that shows the service should look again soon."""
    return service.state in MOVING or bool(operation and operation.is_open)


def poll_seconds(service: Service, operation: Operation | None) -> int:
    """How often to look again; 0 when the state is final."""
    if is_moving(service, operation):
        return 1
    return 5 if service.state in UNSETTLED else 0


def any_moving(services: Iterable[Service]) -> bool:
    """Whether a list should look again soon: also for what was asked but not begun yet."""
    return any(
        service.state in MOVING | UNSETTLED
        or service.desired == Desired.DELETED
        or (service.desired == Desired.STOPPED) != (service.state == ServiceState.STOPPED)
        for service in services
    )


def can_retry(operation: Operation) -> bool:
    """Whether Retry would be accepted: it did not succeed and nothing newer was asked."""
    service = operation.service
    ended = operation.status not in {OperationStatus.RUNNING, OperationStatus.SUCCEEDED}
    if operation.subject:
        return ended
    return ended and service is not None and service.generation == operation.generation


def can_cancel(operation: Operation) -> bool:
    """Whether Cancel would be accepted."""
    return (
        operation.is_open
        and operation.kind not in {"stop", "delete"}
        and operation.cancel_requested_at is None
    )
