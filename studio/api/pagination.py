"""Lists are paged by cursor: `?page_token=…&limit=…` → `{"items": […], "next_page_token": "…"}`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response


class PageTokenPagination(CursorPagination):
    """Newest first by id, so that rows added meanwhile repeat and lose nothing.

    A view names another `ordering` where its rows have one that is unique.
    """

    ordering = "-id"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    cursor_query_param = "page_token"
    invalid_cursor_message = ""

    def decode_cursor(self, request: Any) -> Any:
        try:
            return super().decode_cursor(request)
        except NotFound:
            text = _("This page token is not one of this list. Start again without it.")
            raise ValidationError({"page_token": [text]}) from None

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"items": data, "next_page_token": self._next_token()})

    def _next_token(self) -> str:
        link = self.get_next_link()
        found = parse_qs(urlsplit(link).query).get(self.cursor_query_param) if link else None
        return found[0] if found else ""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["items", "next_page_token"],
            "properties": {
                "items": schema,
                "next_page_token": {"type": "string", "description": "empty on the last page"},
            },
        }
