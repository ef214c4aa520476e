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
from workspaces.tokens import LONGEST_NAME, token_create, token_revoke, tokens_of

TAG = ["tokens"]
LARGEST_ID = 2**63 - 1


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


class TokenListSerializer(serializers.Serializer[Any]):
    items = TokenSerializer(many=True)


class TokensView(APIView):
    """Own tokens."""

    @extend_schema(tags=TAG, responses=TokenListSerializer, operation_id="tokens_list")
    def get(self, request: Request) -> Response:
        rows = tokens_of(request.user)
        return Response({"items": TokenSerializer(rows, many=True).data})

    @extend_schema(
        tags=TAG,
        request=TokenCreateSerializer,
        responses={201: TokenMadeSerializer},
        operation_id="tokens_create",
    )
    def post(self, request: Request) -> Response:
        given = TokenCreateSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row, plain = token_create(user=request.user, name=given.validated_data["name"])
        body = {**TokenSerializer(row).data, "token": plain}
        return Response(body, status.HTTP_201_CREATED)


class TokenView(APIView):
    """One own token."""

    @extend_schema(tags=TAG, responses={204: None}, operation_id="tokens_revoke")
    def delete(self, request: Request, token_id: int) -> Response:
        token_revoke(user=request.user, token_id=min(token_id, LARGEST_ID))
        return Response(status=status.HTTP_204_NO_CONTENT)


urlpatterns = [
    path("tokens", TokensView.as_view(), name="tokens"),
    path("tokens/<int:token_id>", TokenView.as_view(), name="token"),
]
