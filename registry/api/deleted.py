"""REST API of deleted models and versions: listing, restoring, deleting for good."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.models import TAG
from registry.deleted import keeping, purging, restoring
from registry.deleted.restoring import Restored
from registry.models import DeletedModel, DeletedVersion
from registry.values import own_tags
from workspaces.serializers import (
    PAGING,
    ListQuerySerializer,
    PageSerializer,
    page_answer,
    query_read,
    refusals,
)


class DeletedQuerySerializer(ListQuerySerializer):
    name = serializers.CharField(required=False, allow_blank=True, default="", max_length=512)


class DeletedVersionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Of the deletion; restoring takes it")
    name = serializers.CharField()
    version = serializers.CharField(help_text="The number that it had")
    description = serializers.CharField(allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    aliases = serializers.ListField(child=serializers.CharField())
    run_id = serializers.CharField(allow_blank=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    deleted_by = serializers.CharField(allow_blank=True)
    deleted_at = serializers.DateTimeField()
    kept_until = serializers.DateTimeField(help_text="When it is removed for good")


class DeletedVersionPageSerializer(PageSerializer):
    items = DeletedVersionSerializer(many=True)


class DeletedModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    versions = serializers.IntegerField(help_text="How many of its versions can be restored")
    deleted_by = serializers.CharField(allow_blank=True)
    deleted_at = serializers.DateTimeField()
    kept_until = serializers.DateTimeField(help_text="When it is removed for good")


class DeletedModelPageSerializer(PageSerializer):
    items = DeletedModelSerializer(many=True)


class RestoredSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField(help_text="Its number now")
    was = serializers.CharField(help_text="The number that it had")
    uri = serializers.CharField(help_text="`models:/NAME/VERSION`, as services take it")
    aliases_lost = serializers.ListField(
        child=serializers.CharField(), help_text="Aliases that another version has now"
    )


class RestoredModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    versions = RestoredSerializer(many=True)
    problems = serializers.ListField(
        child=serializers.CharField(), help_text="Of each version that could not be restored, why"
    )


def _refusals(*codes: int) -> dict[int, Any]:
    return refusals(503, *codes)


class ModelsView(APIView):
    """Deleted models."""

    @extend_schema(
        operation_id="deleted_models_list",
        tags=TAG,
        parameters=PAGING,
        responses={200: DeletedModelPageSerializer, **_refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List deleted models of which nothing lives, those deleted last first."""
        query = query_read(request)
        page, counts = keeping.models_page(query["page_token"], query["limit"])
        items = [_model(item, counts.get(item.name, 0)) for item in page.items]
        return page_answer(items, page.next_token)


class ModelView(APIView):
    """One deleted model."""

    @extend_schema(
        operation_id="deleted_models_purge",
        tags=TAG,
        responses={204: None, **_refusals(404, 409)},
    )
    def delete(self, request: Request, name: str) -> Response:
        """Remove all that is kept of a deleted model, for good."""
        purging.model_purge(name=name, user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelRestoreView(APIView):
    """Restoring a model."""

    @extend_schema(
        operation_id="deleted_models_restore",
        tags=TAG,
        request=None,
        responses={201: RestoredModelSerializer, **_refusals(404, 409)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Restore all deleted versions of a model, in the order they were made in."""
        found = restoring.model_restore(name=name, user=request.user)
        versions = [_restored(item) for item in found.versions]
        body = {"name": found.name, "versions": versions, "problems": list(found.problems)}
        return Response(body, status=status.HTTP_201_CREATED)


class VersionsView(APIView):
    """Deleted versions."""

    @extend_schema(
        operation_id="deleted_versions_list",
        tags=TAG,
        parameters=[OpenApiParameter("name", str, description="Of the model"), *PAGING],
        responses={200: DeletedVersionPageSerializer, **_refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List deleted versions that can be restored, those deleted last first."""
        query = query_read(request, DeletedQuerySerializer)
        page = keeping.versions_page(query["name"], query["page_token"], query["limit"])
        return page_answer([_version(item) for item in page.items], page.next_token)


class VersionView(APIView):
    """One deleted version."""

    @extend_schema(
        operation_id="deleted_versions_get",
        tags=TAG,
        responses={200: DeletedVersionSerializer, **_refusals(404)},
    )
    def get(self, request: Request, deleted_id: int) -> Response:
        """Show a deleted version."""
        return Response(_version(keeping.version_get(deleted_id)))

    @extend_schema(
        operation_id="deleted_versions_purge",
        tags=TAG,
        responses={204: None, **_refusals(404, 409)},
    )
    def delete(self, request: Request, deleted_id: int) -> Response:
        """Remove a deleted version for good, with files of an upload that no other version has."""
        purging.version_purge(deleted_id=deleted_id, user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionRestoreView(APIView):
    """Restoring a version."""

    @extend_schema(
        operation_id="deleted_versions_restore",
        tags=TAG,
        request=None,
        responses={201: RestoredSerializer, **_refusals(404, 409)},
    )
    def post(self, request: Request, deleted_id: int) -> Response:
        """Register a deleted version anew, as the next version of its model; 409: files gone."""
        found = restoring.version_restore(deleted_id=deleted_id, user=request.user)
        return Response(_restored(found), status=status.HTTP_201_CREATED)


def _model(row: DeletedModel, versions: int) -> dict[str, Any]:
    values = {**_shared(row), "description": row.description, "versions": versions}
    return dict(DeletedModelSerializer({**values, "tags": own_tags(row.tags)}).data)


def _version(row: DeletedVersion) -> dict[str, Any]:
    names = ("id", "version", "description", "aliases", "run_id", "source")
    values = {**_shared(row), **{name: getattr(row, name) for name in names}}
    return dict(DeletedVersionSerializer({**values, "tags": own_tags(row.tags)}).data)


def _shared(row: DeletedModel | DeletedVersion) -> dict[str, Any]:
    return {
        "name": row.name,
        "deleted_by": row.deleted_by.get_username() if row.deleted_by else "",
        "deleted_at": row.deleted_at,
        "kept_until": row.kept_until,
    }


def _restored(found: Restored) -> dict[str, Any]:
    uri = f"models:/{found.name}/{found.version}"
    return dict(RestoredSerializer({**vars(found), "uri": uri}).data)
