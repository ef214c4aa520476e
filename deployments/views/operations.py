"""One operation with its steps and log, and for administrators all of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployments import selectors
from deployments.choices import OperationKind, OperationStatus
from deployments.models import Operation
from deployments.pages.paging import operations_after
from deployments.views import common

PAGE_SIZE = 50


def operation_context(operation: Operation) -> dict[str, Any]:
    return {
        "operation": operation,
        "service": operation.service,
        "moving": operation.is_open,
        "can_retry": common.can_retry(operation),
        "can_cancel": common.can_cancel(operation),
    }


@require_safe
def operation_page(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """Steps, times and logs of one operation, kept after the service is gone."""
    context = operation_context(selectors.operation_get(operation_id))
    return render(request, "deployments/operation.html", context)


@require_safe
def operation_live(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """The steps as they are now; 286 with the whole part once the operation has ended."""
    operation = selectors.operation_get(operation_id)
    context = operation_context(operation) | {"whole": not operation.is_open}
    status = 200 if operation.is_open else common.STOP_POLLING
    return render(request, "deployments/_operation_live.html", context, status=status)


def _filtered(request: HttpRequest) -> QuerySet[Operation]:
    rows = selectors.operations_list()
    search = request.GET.get("q", "").strip().replace("\x00", "")
    if search:
        rows = rows.filter(
            Q(service_name__icontains=search)
            | Q(subject__icontains=search)
            | Q(requested_by__username__icontains=search)
        )
    for name, known in (("status", OperationStatus.values), ("kind", OperationKind.values)):
        value = request.GET.get(name, "")
        if value in known:
            rows = rows.filter(**{name: value})
    return rows


@common.staff_only
@require_safe
def operations_page(request: HttpRequest) -> HttpResponse:
    """All operations, newest first, paged by cursor; looks again while one is open."""
    page = operations_after(_filtered(request), request.GET.get("after", ""), PAGE_SIZE)
    rows = [
        {
            "operation": operation,
            "done": sum(step.ended_at is not None for step in operation.steps.all()),
            "total": len(operation.steps.all()),
            "current": next(
                (step for step in operation.steps.all() if step.state == "running"), None
            ),
            "can_retry": common.can_retry(operation),
            "can_cancel": common.can_cancel(operation),
        }
        for operation in page.items
    ]
    moving = any(operation.is_open for operation in page.items)
    context = {
        "rows": rows,
        "next_cursor": page.next_token,
        "moving": moving,
        "statuses": OperationStatus,
        "kinds": OperationKind,
        "status": request.GET.get("status", ""),
        "kind": request.GET.get("kind", ""),
        "search": request.GET.get("q", ""),
        "after": request.GET.get("after", ""),
    }
    if request.GET.get("part") == "rows":
        code = 200 if moving else common.STOP_POLLING
        return render(request, "deployments/operations.html#rows", context, status=code)
    return render(request, "deployments/operations.html", context)
