"""What the API views of this app share: reading input, and answering 202."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import selectors
from deployments.api import serializers as shapes
from deployments.models import Operation, Service
from workspaces.errors import Invalid

SERVICES, OPERATIONS, TARGETS = ["services"], ["operations"], ["targets"]
OFFSET = [OpenApiParameter("offset", int, description="`next_offset` of the answer before")]
MAX_OFFSET = 2**53


def text_read(request: Request, name: str, allowed: list[str] | None = None) -> str:
    """A filter of the query string.

    Raises:
        Invalid: it is none of the words that are allowed.
    """
    value = request.query_params.get(name, "").replace("\x00", "")
    if value and allowed is not None and value not in allowed:
        text = _("must be one of %(words)s.") % {"words": ", ".join(allowed)}
        raise Invalid(f"{name} {text}", fields={name: [text]})
    return value


def offset_read(request: Request) -> int:
    text = request.query_params.get("offset", "") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= MAX_OFFSET):
        message = _("must be a whole number from 0 on.")
        raise Invalid(f"offset {message}", fields={"offset": [message]})
    return int(text)


def body_read(shape: type[shapes.Body], request: Request) -> dict[str, Any]:
    given = shape(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def known_only(shape: type[shapes.Body], request: Request) -> None:
    """Refuse names that a body does not have: what is misspelt must not be lost in silence.

    Raises:
        Invalid: with every name.
    """
    given = request.data if isinstance(request.data, Mapping) else {}
    text = _("is not known here.")
    fields = {str(name): [text] for name in given if name not in shape().fields}
    if fields:
        raise Invalid(" ".join(f"{name} {text}" for name in fields), fields=fields)


def objects_only(given: dict[str, Any], *names: str) -> None:
    """Refuse what is no JSON object, an empty list too.

    Raises:
        Invalid: with every field.
    """
    text = _("must be a JSON object.")
    fields = {
        name: [text]
        for name in names
        if given.get(name) is not None and not isinstance(given[name], dict)
    }
    if fields:
        raise Invalid(" ".join(f"{name} {text}" for name in fields), fields=fields)


def service_answer(request: Request, service: Service, operation: Operation | None = None) -> Any:
    latest = operation.pk if operation else shapes.latest_operations([service]).get(service.pk)
    return shapes.service_body(service, request.get_host(), latest)


def accepted(request: Request, name: str, operation: Operation | None) -> Response:
    """202 with the service as it is now and the operation; 200 when nothing needs to be done."""
    fresh = selectors.operation_get(operation.pk) if operation else None
    service = selectors.service_get(name) if name else None  # None: it belongs to no service
    body = {
        "service": service_answer(request, service, fresh) if service else None,
        "operation": shapes.operation_body(fresh) if fresh else None,
    }
    return Response(body, status=status.HTTP_202_ACCEPTED if fresh else status.HTTP_200_OK)
