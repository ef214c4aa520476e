"""Shapes that the API's calls share: refusals, and the query and the answer of a list."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

ROWS, MOST_ROWS = 50, 200
LONGEST_PAGE_TOKEN = 4000
PAGING = [
    OpenApiParameter("page_token", str, description="`next_page_token` of the page before"),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": ROWS},
        description=f"Rows of a page, 1 to {MOST_ROWS}",
    ),
]


class ProblemSerializer(serializers.Serializer[Any]):
    """Every refusal: a code for programs, sentences for people."""

    code = serializers.CharField()
    message = serializers.CharField()
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField())
    )


class ListQuerySerializer(serializers.Serializer[Any]):
    """The query of a list; calls add their filters."""

    page_token = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=LONGEST_PAGE_TOKEN
    )
    limit = serializers.IntegerField(required=False, default=ROWS, min_value=1, max_value=MOST_ROWS)


class PageSerializer(serializers.Serializer[Any]):
    """The answer of a list; calls add `items`."""

    next_page_token = serializers.CharField(allow_blank=True, help_text="empty on the last page")


def query_read(
    request: Request, shape: type[ListQuerySerializer] = ListQuerySerializer
) -> dict[str, Any]:
    """The query of a list, with defaults for what is left out.

    Raises:
        ValidationError: with every violation.
    """
    query = shape(data=request.query_params)
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


def page_answer(items: list[Any], next_page_token: str) -> Response:
    """What every list answers."""
    return Response({"items": items, "next_page_token": next_page_token})


def refusals(*codes: int) -> dict[int, Any]:
    """Responses of a call, for its document: 401 of every call, and these."""
    return dict.fromkeys((401, *codes), ProblemSerializer)
