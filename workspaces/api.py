"""REST API of own tokens. Calls the same services as the pages."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workspaces.models import ApiToken
from workspaces.paging import LARGEST_ID, rows_by_id
from workspaces.serializers import PAGING, PageSerializer, page_answer, query_read, refusals
from workspaces.tokens import LONGEST_NAME, token_create, token_revoke, tokens_of

TAG = ["tokens"]


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ("id", "name", "prefix", "created_at", "last_used_at")
        read_only_fields = fields


class TokenCreateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST_NAME)


class TokenMadeSerializer(TokenSerializer):
    token = serializers.CharField(read_only=True, help_text="shown once, here")

    class Meta:
        model = ApiToken
        fields = (*TokenSerializer.Meta.fields, "token")
        read_only_fields = fields


class TokenPageSerializer(PageSerializer):
    items = TokenSerializer(many=True)


class TokensView(APIView):
    """Own tokens."""

    @extend_schema(
        tags=TAG,
        parameters=PAGING,
        responses={200: TokenPageSerializer, **refusals(400)},
        operation_id="tokens_list",
    )
    def get(self, request: Request) -> Response:
        """List own tokens, newest first."""
        query = query_read(request)
        page = rows_by_id(tokens_of(request.user), query["page_token"], query["limit"])
        return page_answer(list(TokenSerializer(page.items, many=True).data), page.next_token)

    @extend_schema(
        tags=TAG,
        request=TokenCreateSerializer,
        responses={201: TokenMadeSerializer, **refusals(400, 409)},
        operation_id="tokens_create",
    )
    def post(self, request: Request) -> Response:
        """Make a token; it is shown in this answer and never again."""
        given = TokenCreateSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row, plain = token_create(user=request.user, name=given.validated_data["name"])
        body = {**TokenSerializer(row).data, "token": plain}
        return Response(body, status.HTTP_201_CREATED)


class TokenView(APIView):
    """One own token."""

    @extend_schema(tags=TAG, responses={204: None, **refusals(404)}, operation_id="tokens_revoke")
    def delete(self, request: Request, token_id: int) -> Response:
        """Revoke an own token; it ends at once."""
        token_revoke(user=request.user, token_id=min(token_id, LARGEST_ID))
        return Response(status=status.HTTP_204_NO_CONTENT)


urlpatterns = [
    path("tokens", TokensView.as_view(), name="tokens"),
    path("tokens/<int:token_id>", TokenView.as_view(), name="token"),
]
