"""The Test tab: one request through the gateway, and the editors that build its body."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deployments import selectors
from deployments.configuring.jsontext import pretty
from deployments.models import Service
from deployments.pages import examples
from deployments.scoring import score
from deployments.views.common import secret
from deployments.views.services import service_context, test_context
from workspaces.errors import Problem

UNPROCESSABLE = 422


@dataclass(frozen=True)
class Request:
    """The body as posted, and what was wrong with it."""

    body: str = ""
    fields: list[examples.Field] = field(default_factory=list)
    error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error and not any(item.error for item in self.fields)


def _posted(request: HttpRequest, fields: list[examples.Field]) -> Request:
    if request.POST.get("editor") == "form" and fields:
        body, filled = examples.parse_form(fields, request.POST.dict())
        return Request(pretty(body), filled)
    text = request.POST.get("body", "")
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return Request(text, fields, _("This is not JSON: %(error)s") % {"error": error})
    return Request(text, fields)


@require_POST
def service_score(request: HttpRequest, name: str) -> HttpResponse:
    """Send; answers the result, or the editor again with what cannot be read (422)."""
    service = selectors.service_get(name)
    context = service_context(request, service)
    context.update(test_context(service, context, as_json=False))
    asked = _posted(request, context["fields"])
    if not asked.ok:
        context.update(_editor(request, asked))
        response = render(request, "deployments/_test_editor.html", context, status=UNPROCESSABLE)
        response["HX-Retarget"] = "#test-editor"
        return response
    return secret(render(request, "deployments/_test_result.html", _result(service, asked)))


def _editor(request: HttpRequest, asked: Request) -> dict[str, Any]:
    form = request.POST.get("editor") == "form" and bool(asked.fields)
    return {
        "editor": "form" if form else "json",
        "fields": asked.fields,
        "body": asked.body,
        "body_error": asked.error,
    }


def _result(service: Service, asked: Request) -> dict[str, Any]:
    try:
        result = score(service, asked.body.encode())
    except Problem as problem:
        return {"problem": problem, "sent": asked.body, "service": service}
    return {"result": result, "sent": asked.body, "service": service}


@require_POST
def service_test_editor(request: HttpRequest, name: str) -> HttpResponse:
    """Change between form and JSON and keep what was typed."""
    service = selectors.service_get(name)
    context = service_context(request, service)
    as_json = request.POST.get("to") == "json"
    context.update(test_context(service, context, as_json))
    asked = _posted(request, context["fields"])
    if as_json:
        context.update(body=asked.body)
    elif asked.ok and context["fields"]:
        typed = json.loads(asked.body)
        row = examples.first_row(typed if isinstance(typed, dict) else None)
        context.update(fields=examples.refill(context["fields"], row))
    return render(request, "deployments/_test_editor.html", context)
