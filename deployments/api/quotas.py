"""REST API of quotas: what is allowed and used on each target, and setting it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deployments import quotas, selectors
from deployments.api.common import TARGETS
from deployments.api.serializers import Body
from deployments.configuring.quota_rules import HIGHEST
from deployments.models import Target
from workspaces.paging import rows_by_name
from workspaces.serializers import PAGING, PageSerializer, page_answer, query_read, refusals

NO_LIMIT = "null: no limit"


class LimitsSerializer(Body):
    """The most that all services of a target may ask for together."""

    services = serializers.IntegerField(
        allow_null=True, min_value=0, max_value=HIGHEST["services"], help_text=NO_LIMIT
    )
    cpu = serializers.FloatField(
        allow_null=True, min_value=0, max_value=HIGHEST["cpu"], help_text=f"Cores; {NO_LIMIT}"
    )
    memory_mb = serializers.IntegerField(
        allow_null=True, min_value=0, max_value=HIGHEST["memory_mb"], help_text=NO_LIMIT
    )


class UsedSerializer(Body):
    """What the services ask for that are neither stopped nor being deleted."""

    services = serializers.IntegerField()
    cpu = serializers.FloatField(help_text="Cores, of all replicas")
    memory_mb = serializers.IntegerField(help_text="Of all replicas")


class QuotaSerializer(Body):
    target = serializers.CharField()
    kind = serializers.CharField(help_text="Kind of the target")
    limits = LimitsSerializer()
    used = UsedSerializer()


class QuotaPageSerializer(PageSerializer):
    items = QuotaSerializer(many=True)


class QuotasView(APIView):
    """Quotas of all targets."""

    @extend_schema(
        operation_id="quotas_list",
        tags=TARGETS,
        parameters=PAGING,
        responses={200: QuotaPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List what each target allows all its services together, and what they ask for."""
        query = query_read(request)
        page = rows_by_name(Target.objects.all(), query["page_token"], query["limit"])
        items = [quota_body(state) for state in quotas.states(page.items)]
        return page_answer(items, page.next_token)


@extend_schema(
    parameters=[
        OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH, description="A target")
    ]
)
class QuotaView(APIView):
    """The quota of one target."""

    @extend_schema(
        operation_id="quotas_set",
        tags=TARGETS,
        request=LimitsSerializer,
        responses={200: QuotaSerializer, **refusals(400, 403, 404)},
    )
    def put(self, request: Request, name: str) -> Response:
        """Set all three limits of a target; administrators only. Nothing that runs is stopped."""
        if not request.user.is_staff:
            raise PermissionDenied(_("Only administrators set quotas."))
        target = selectors.target_get(name)
        state = quotas.quota_set(target=target, given=request.data, user=request.user)
        return Response(quota_body(state))


def quota_body(state: quotas.QuotaState) -> dict[str, Any]:
    values = {
        "target": state.target.name,
        "kind": state.target.kind,
        "limits": state.limits,
        "used": state.used,
    }
    return dict(QuotaSerializer(values).data)
