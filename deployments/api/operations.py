"""REST API of operations, targets and Help me choose."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deployments import selectors, targets
from deployments.api import serializers as shapes
from deployments.api.common import (
    OFFSET,
    OPERATIONS,
    TARGETS,
    accepted,
    body_read,
    offset_read,
    text_read,
)
from deployments.choices import OperationKind, OperationStatus
from deployments.configuring.checks import parse_model_uri
from deployments.configuring.choosing import all_facts
from deployments.control import operation_requests
from deployments.pages import paging
from deployments.pages.forms import answers_read
from deployments.pages.wizard import recommend
from deployments.trying.findings import Measured, measured_of
from workspaces.paging import rows_by_name
from workspaces.serializers import PAGING, page_answer, query_read, refusals


class OperationsView(APIView):
    """All operations."""

    @extend_schema(
        operation_id="operations_list",
        tags=OPERATIONS,
        parameters=[
            OpenApiParameter(
                *("service", str), description="Name of a service; administrators may leave it out"
            ),
            OpenApiParameter("status", str, enum=OperationStatus.values),
            OpenApiParameter("kind", str, enum=OperationKind.values),
            *PAGING,
        ],
        responses={200: shapes.OperationPageSerializer, **refusals(400, 403)},
    )
    def get(self, request: Request) -> Response:
        """List operations, newest first. Those of all services are for administrators only."""
        rows = selectors.operations_list()
        service = text_read(request, "service")
        if not service and not request.user.is_staff:
            text = _("Only administrators see the operations of all services; name a service.")
            raise PermissionDenied(text)
        if service:
            rows = rows.filter(service_name=service)
        if wanted := text_read(request, "status", OperationStatus.values):
            rows = rows.filter(status=wanted)
        if kind := text_read(request, "kind", OperationKind.values):
            rows = rows.filter(kind=kind)
        query = query_read(request)
        page = paging.operations_after(rows, query["page_token"], query["limit"])
        items = [shapes.operation_body(item) for item in page.items]
        return page_answer(items, page.next_token)


class OperationView(APIView):
    """One operation."""

    @extend_schema(
        operation_id="operations_get",
        tags=OPERATIONS,
        responses={200: shapes.OperationSerializer, **refusals(404)},
    )
    def get(self, request: Request, operation_id: UUID) -> Response:
        """Show an operation with its steps."""
        return Response(shapes.operation_body(selectors.operation_get(operation_id)))


class OperationLogView(APIView):
    """The log of an operation."""

    @extend_schema(
        operation_id="operations_log",
        tags=OPERATIONS,
        parameters=OFFSET,
        responses={200: shapes.LogSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, operation_id: UUID) -> Response:
        """Read the log of all steps from an offset on."""
        operation = selectors.operation_get(operation_id)
        return Response(vars(selectors.operation_log(operation, offset_read(request))))


class OperationCancelView(APIView):
    """Cancelling."""

    @extend_schema(
        operation_id="operations_cancel",
        tags=OPERATIONS,
        request=None,
        responses={202: shapes.OperationSerializer, **refusals(404, 409)},
    )
    def post(self, request: Request, operation_id: UUID) -> Response:
        """Ask an open operation to end."""
        operation = selectors.operation_get(operation_id)
        operation_requests.operation_cancel(operation=operation, user=request.user)  # type: ignore[arg-type]
        body = shapes.operation_body(selectors.operation_get(operation_id))
        return Response(body, status=status.HTTP_202_ACCEPTED)


class OperationRetryView(APIView):
    """Trying again."""

    @extend_schema(
        operation_id="operations_retry",
        tags=OPERATIONS,
        request=None,
        responses={202: shapes.AcceptedSerializer, **refusals(404, 409)},
    )
    def post(self, request: Request, operation_id: UUID) -> Response:
        """Try again what did not succeed, as a new operation."""
        operation = selectors.operation_get(operation_id)
        again = operation_requests.operation_retry(operation=operation, user=request.user)  # type: ignore[arg-type]
        return accepted(request, again.service_name, again)


class TargetsView(APIView):
    """Compute targets."""

    @extend_schema(
        operation_id="targets_list",
        tags=TARGETS,
        parameters=PAGING,
        responses={200: shapes.TargetPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List targets by name, as they were at their last check."""
        query = query_read(request)
        page = rows_by_name(selectors.targets_with_names(), query["page_token"], query["limit"])
        return page_answer([shapes.target_body(item) for item in page.items], page.next_token)


class TargetView(APIView):
    """One target."""

    @extend_schema(
        operation_id="targets_get",
        tags=TARGETS,
        responses={200: shapes.TargetSerializer, **refusals(404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Show a target as it was at its last check."""
        return Response(shapes.target_body(selectors.target_get(name)))


class TargetCheckView(APIView):
    """Checking a target."""

    @extend_schema(
        operation_id="targets_check",
        tags=TARGETS,
        request=None,
        responses={200: shapes.TargetSerializer, **refusals(404)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Ask the engine now; takes at most some seconds."""
        target = selectors.target_get(name)
        checked = targets.target_check(target=target, user=request.user)  # type: ignore[arg-type]
        return Response(shapes.target_body(checked))


class RecommendView(APIView):
    """Help me choose."""

    @extend_schema(
        operation_id="targets_recommend",
        tags=TARGETS,
        request=shapes.AnswersSerializer,
        responses={200: shapes.RecommendationListSerializer, **refusals(400)},
    )
    def post(self, request: Request) -> Response:
        """Rank all targets for a need, with reasons and a filled-in deployment configuration."""
        given = body_read(shapes.AnswersSerializer, request)
        known = _measured(given.pop("model", None))
        asked = {key: str(value) for key, value in given.items()}
        answers = answers_read(asked, known.memory_mb, known.milliseconds)
        ranked = recommend(answers, all_facts())
        return Response({"items": [shapes.recommendation_body(item) for item in ranked]})


def _measured(uri: str | None) -> Measured:
    if not uri:
        return Measured(None, None)
    return measured_of(*parse_model_uri(uri))
