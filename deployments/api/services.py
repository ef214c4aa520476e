"""REST API of services. Calls the same services as the pages."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deployments import selectors, services
from deployments.access import credentials, tokens
from deployments.api import serializers as shapes
from deployments.api.common import (
    OFFSET,
    SERVICES,
    accepted,
    body_read,
    known_only,
    objects_only,
    offset_read,
    service_answer,
    text_read,
)
from deployments.choices import ServiceState
from workspaces.errors import NotFound
from workspaces.paging import rows_by_name
from workspaces.serializers import PAGING, page_answer, query_read, refusals


class ServicesView(APIView):
    """All services; deploying a model as a new one."""

    @extend_schema(
        operation_id="services_list",
        tags=SERVICES,
        parameters=[
            OpenApiParameter("search", str, description="Part of the name"),
            OpenApiParameter("state", str, enum=ServiceState.values),
            *PAGING,
        ],
        responses={200: shapes.ServicePageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List services by name."""
        rows = selectors.services_list()
        if search := text_read(request, "search"):
            rows = rows.filter(name__icontains=search)
        if state := text_read(request, "state", ServiceState.values):
            rows = rows.filter(state=state)
        query = query_read(request)
        page = rows_by_name(rows, query["page_token"], query["limit"])
        latest = shapes.latest_operations(page.items)
        host = request.get_host()
        items = [shapes.service_body(item, host, latest.get(item.pk)) for item in page.items]
        return page_answer(items, page.next_token)

    @extend_schema(
        operation_id="services_create",
        tags=SERVICES,
        request=shapes.ServiceCreateSerializer,
        responses={202: shapes.AcceptedSerializer, **refusals(400, 404, 409, 503)},
    )
    def post(self, request: Request) -> Response:
        """Deploy a model version; ask the operation how it goes."""
        known_only(shapes.ServiceCreateSerializer, request)
        given = body_read(shapes.ServiceCreateSerializer, request)
        objects_only(given, "deployment", "inference", "v1")
        operation = services.service_create(user=request.user, **given)  # type: ignore[arg-type]
        return accepted(request, operation.service_name, operation)


class ServiceView(APIView):
    """One service."""

    @extend_schema(
        operation_id="services_get",
        tags=SERVICES,
        responses={200: shapes.ServiceSerializer, **refusals(404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Show a service."""
        return Response(service_answer(request, selectors.service_get(name)))

    @extend_schema(
        operation_id="services_update",
        tags=SERVICES,
        request=shapes.ServiceChangeSerializer,
        responses={
            200: shapes.AcceptedSerializer,
            202: shapes.AcceptedSerializer,
            **refusals(400, 404, 409, 503),
        },
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change a service. Omitted values stay; a new revision is an operation (202)."""
        service = selectors.service_get(name)
        known_only(shapes.ServiceChangeSerializer, request)
        given = body_read(shapes.ServiceChangeSerializer, request)
        objects_only(given, "deployment", "inference", "v1")
        operation = services.service_update(service=service, user=request.user, **given)  # type: ignore[arg-type]
        return accepted(request, name, operation)

    @extend_schema(
        operation_id="services_delete",
        tags=SERVICES,
        responses={202: shapes.AcceptedSerializer, 204: None, **refusals()},
    )
    def delete(self, request: Request, name: str) -> Response:
        """Delete a service; 204 when there is none."""
        try:
            service = selectors.service_get(name)
        except NotFound:
            return Response(status=status.HTTP_204_NO_CONTENT)
        operation = services.service_delete(service=service, user=request.user)  # type: ignore[arg-type]
        return accepted(request, name, operation)


class ServiceVerbView(APIView):
    """Stop, start and restart; `verb` is set by the route."""

    verb = ""

    def run(self, request: Request, name: str) -> Response:
        service = selectors.service_get(name)
        act = {
            "stop": services.service_stop,
            "start": services.service_start,
            "restart": services.service_restart,
        }[self.verb]
        return accepted(request, name, act(service=service, user=request.user))  # type: ignore[arg-type]


def _verb_view(verb: str, sentence: str) -> type[ServiceVerbView]:
    @extend_schema(
        operation_id=f"services_{verb}",
        tags=SERVICES,
        request=None,
        responses={202: shapes.AcceptedSerializer, **refusals(404, 409)},
        description=sentence,
    )
    def post(self: ServiceVerbView, request: Request, name: str) -> Response:
        return self.run(request, name)

    return type(f"Service{verb.title()}View", (ServiceVerbView,), {"post": post, "verb": verb})


StopView = _verb_view("stop", "Stop a service; it keeps its settings and keys. Always accepted.")
StartView = _verb_view("start", "Start a stopped or failed service.")
RestartView = _verb_view("restart", "Start the processes of a running service anew.")


class KeysView(APIView):
    """The keys of a service."""

    @extend_schema(
        operation_id="services_keys",
        tags=SERVICES,
        responses={200: shapes.KeysSerializer, **refusals(404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Show both keys; leaves an event."""
        service = selectors.service_get(name)
        keys = credentials.service_keys(service=service, user=request.user)  # type: ignore[arg-type]
        return Response(keys, headers={"Cache-Control": "no-store, private"})


class KeyRegenerateView(APIView):
    """Replacing a key."""

    @extend_schema(
        operation_id="services_keys_regenerate",
        tags=SERVICES,
        request=shapes.KeyChoiceSerializer,
        responses={200: shapes.KeysSerializer, **refusals(400, 404)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Replace one key, or what tokens are signed with; the old one stops working in seconds."""
        service = selectors.service_get(name)
        key = body_read(shapes.KeyChoiceSerializer, request)["key"]
        credentials.service_keys_regenerate(service=service, key=key, user=request.user)  # type: ignore[arg-type]
        keys = credentials.service_keys(service=service, user=request.user)  # type: ignore[arg-type]
        return Response(keys, headers={"Cache-Control": "no-store, private"})


class TokenView(APIView):
    """Tokens of a service."""

    @extend_schema(
        operation_id="services_token",
        tags=SERVICES,
        request=None,
        responses={200: shapes.ServiceTokenSerializer, **refusals(404, 409)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Issue a token for callers; it works until it expires. Leaves an event."""
        service = selectors.service_get(name)
        token = tokens.service_token(service=service, user=request.user)  # type: ignore[arg-type]
        body = shapes.ServiceTokenSerializer(vars(token)).data
        return Response(body, headers={"Cache-Control": "no-store, private"})


class ServiceLogView(APIView):
    """What the service's processes wrote."""

    @extend_schema(
        operation_id="services_logs",
        tags=SERVICES,
        parameters=OFFSET,
        responses={200: shapes.LogSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Read the log from an offset on; kept after the process has ended."""
        chunk = selectors.service_log(selectors.service_get(name), offset_read(request))
        return Response(vars(chunk))
