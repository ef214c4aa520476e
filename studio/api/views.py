"""Calls of the API's frame: health."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.health import health


class CheckSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    ok = serializers.BooleanField()
    message = serializers.CharField(allow_blank=True)


class HealthSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["ok", "degraded", "failed"])
    checks = CheckSerializer(many=True)


class HealthView(APIView):
    """Whether the studio is whole. Needs no token; 503 only when its database does not answer."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        tags=["health"],
        operation_id="health",
        auth=[],
        responses={200: HealthSerializer, 503: HealthSerializer},
    )
    def get(self, request: Request) -> Response:
        found = health()
        body = {"status": found.status, "checks": [asdict(check) for check in found.checks]}
        headers = {"Cache-Control": "no-store"}
        return Response(body, 503 if found.status == "failed" else 200, headers=headers)
