"""REST API of more than a version's own facts: its files as an archive, and two compared."""

from __future__ import annotations

import math
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry import selectors
from registry.api.shapes import CompareQuerySerializer, ComparisonSerializer
from registry.comparing import Comparison, Row
from registry.downloads import archive_response
from workspaces.serializers import refusals

TAG = ["models"]


class AnyAccept(BaseContentNegotiation):
    """Takes every Accept header: the archive is no JSON, and refusals are always JSON."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ArchiveView(APIView):
    """The files of a version."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="versions_archive",
        tags=TAG,
        parameters=[
            OpenApiParameter("version", OpenApiTypes.STR, OpenApiParameter.PATH, description="“3”")
        ],
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            **refusals(400, 404, 503),
        },
    )
    def get(self, request: Request, name: str, version: str) -> HttpResponseBase:
        """Download all files of a version as one zip."""
        return archive_response(request._request, name, version)


class CompareView(APIView):
    """Two versions of a model."""

    @extend_schema(
        operation_id="models_compare",
        tags=TAG,
        parameters=[
            OpenApiParameter("left", str, required=True, description="A version, such as “1”"),
            OpenApiParameter("right", str, required=True, description="Another version"),
        ],
        responses={200: ComparisonSerializer, **refusals(400, 404, 503)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Compare two versions: model, metrics, parameters, signature and requirements."""
        query = CompareQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = selectors.versions_compare(name, **query.validated_data)
        return Response({**query.validated_data, **_comparison(found)})


def _comparison(found: Comparison) -> dict[str, Any]:
    groups = [
        {"title": group.title, "rows": [_row(row) for row in group.rows], "more": group.more}
        for group in found.groups
    ]
    return {"groups": groups, "problem": found.problem}


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "left": _value(row.left),
        "right": _value(row.right),
        "differs": row.differs,
        "change": _value(row.change) if row.differs else None,
    }


def _value(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
