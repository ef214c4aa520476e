"""Verbs of a service and of an operation: each POST calls one service function."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deployments import selectors, services
from deployments.access import credentials, tokens
from deployments.control import operation_requests
from deployments.views.common import acts, came_from, secret
from deployments.views.services import consume_context, service_context
from workspaces.errors import Problem

VERBS = {
    "stop": services.service_stop,
    "start": services.service_start,
    "restart": services.service_restart,
    "delete": services.service_delete,
}


@require_POST
@acts
def service_act(request: HttpRequest, name: str, verb: str) -> str:
    """Stop, start, restart or delete; the service page shows the operation.

    A deleted service may be gone before its page is asked for, so that ends on the list.
    """
    service = selectors.service_get(name)
    VERBS[verb](service=service, user=request.user)  # type: ignore[arg-type]
    if verb == "delete":
        messages.info(request, _("The service %(name)s is being deleted.") % {"name": name})
        return reverse("deployments:services")
    return reverse("deployments:service", args=[name])


@require_POST
def service_keys(request: HttpRequest, name: str) -> HttpResponse:
    """The keys as JSON, because a person pressed Show or Copy; leaves an Event."""
    service = selectors.service_get(name)
    keys = credentials.service_keys(service=service, user=request.user)  # type: ignore[arg-type]
    return secret(JsonResponse(keys))


@require_POST
@acts
def service_key_regenerate(request: HttpRequest, name: str) -> str:
    """Replace one key; programs that use it must be given the new one."""
    service = selectors.service_get(name)
    key = request.POST.get("key", "")
    credentials.service_keys_regenerate(service=service, key=key, user=request.user)  # type: ignore[arg-type]
    labels = {
        "primary": _("The primary key was replaced."),
        "secondary": _("The secondary key was replaced."),
        "token": _("Tokens are signed anew; those given out so far stop working."),
    }
    messages.success(request, labels[key])
    return reverse("deployments:service", args=[name])


@require_POST
def service_consume_keys(request: HttpRequest, name: str) -> HttpResponse:
    """The programs of the Consume tab with the primary key in them, or without it again."""
    service = selectors.service_get(name)
    context = service_context(request, service)
    if request.POST.get("key") == "hide" or not context["is_closed"]:
        context.update(consume_context(service, context))
    elif not context["takes_keys"]:
        token = tokens.service_token(service=service, user=request.user)  # type: ignore[arg-type]
        context.update(consume_context(service, context, token.access_token))
    else:
        keys = credentials.service_keys(service=service, user=request.user)  # type: ignore[arg-type]
        context.update(consume_context(service, context, keys["primary"]))
    return secret(render(request, "deployments/_snippets.html", context))


@require_POST
def service_token(request: HttpRequest, name: str) -> HttpResponse:
    """A new token, shown once with the time it ends."""
    service = selectors.service_get(name)
    context: dict[str, Any] = {"service": service, "tab": "consume"}
    status = 200
    try:
        context["token"] = tokens.service_token(service=service, user=request.user)  # type: ignore[arg-type]
    except Problem as problem:
        context["token_problem"], status = problem.message, problem.status
    template = "deployments/_token.html"
    if not getattr(request, "htmx", False):
        context = {**service_context(request, service), **context}
        context.update(consume_context(service, context))
        template = "deployments/service_consume.html"
    return secret(render(request, template, context, status=status))


@require_POST
@acts
def operation_cancel(request: HttpRequest, operation_id: UUID) -> str:
    operation = selectors.operation_get(operation_id)
    operation_requests.operation_cancel(operation=operation, user=request.user)  # type: ignore[arg-type]
    return came_from(request, reverse("deployments:operation", args=[operation_id]))


@require_POST
@acts
def operation_retry(request: HttpRequest, operation_id: UUID) -> str:
    operation = selectors.operation_get(operation_id)
    again = operation_requests.operation_retry(operation=operation, user=request.user)  # type: ignore[arg-type]
    if again.subject:  # it belongs to no service
        return reverse("deployments:operation", args=[again.pk])
    return reverse("deployments:service", args=[again.service_name])
