"""Admin > Overview: a page of parts that load by themselves, so that nothing slow blocks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from studio.monitoring import selectors


def _services() -> dict[str, Any]:
    return {
        "states": selectors.services_by_state(),
        "operations": selectors.operations_recent(),
    }


def _workers() -> dict[str, Any]:
    processes = selectors.processes()
    return {"processes": processes, "problems": selectors.process_health(processes)}


def _queues() -> dict[str, Any]:
    try:
        return {"queues": selectors.queue_lengths()}
    except (redis.RedisError, OSError, ValueError):
        return {"queues": None}


def _health() -> dict[str, Any]:
    return {"parts": [selectors.database_health(), selectors.redis_health()]}


def _mlflow() -> dict[str, Any]:
    return {"parts": [selectors.mlflow_health()]}


def _disk() -> dict[str, Any]:
    sizes, complete = selectors.folder_sizes()
    return {"disk": selectors.disk(), "sizes": sizes, "complete": complete}


def _versions() -> dict[str, Any]:
    return {"versions": selectors.versions()}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "services": _services,
    "workers": _workers,
    "queues": _queues,
    "health": _health,
    "mlflow": _mlflow,
    "disk": _disk,
    "versions": _versions,
}


def _staff(request: HttpRequest) -> None:
    if not request.user.is_staff:
        raise PermissionDenied(_("Only administrators see this page."))


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The frame of the page; asks nothing."""
    _staff(request)
    return render(request, "studio/admin/overview.html")


@require_safe
def overview_part(request: HttpRequest, part: str) -> HttpResponse:
    """One part, as it is now."""
    _staff(request)
    if part not in PARTS:
        raise Http404
    return render(request, f"studio/admin/_{part}.html", {"part": part, **PARTS[part]()})
