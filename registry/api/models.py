"""REST API of models and versions. Calls the same services as the pages."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry import selectors, services
from registry.api.shapes import (
    DetailsSerializer,
    ModelChangeSerializer,
    ModelDetailSerializer,
    ModelPageSerializer,
    ModelSerializer,
    ModelsQuerySerializer,
    RegisterSerializer,
    UploadFormSerializer,
    UploadSerializer,
    VersionChangeSerializer,
    VersionSerializer,
    VersionSummarySerializer,
)
from registry.incoming.receiving import SCOPE_KEY, upload_of
from registry.uses import uses_of_model
from registry.values import ModelRow, VersionInfo, own_tags
from workspaces.serializers import (
    PAGING,
    page_answer,
    query_read,
    refusals,
)
from workspaces.tracking.models.values import StoredVersion

TAG = ["models"]


def _refusals(*codes: int) -> dict[int, Any]:
    return refusals(503, *codes)


class ModelsView(APIView):
    """All models; registering the model of a run."""

    @extend_schema(
        operation_id="models_list",
        tags=TAG,
        parameters=[OpenApiParameter("search", str, description="Part of the name"), *PAGING],
        responses={200: ModelPageSerializer, **_refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List models, those changed last first."""
        query = query_read(request, ModelsQuerySerializer)
        page = selectors.models_list(query["search"], query["page_token"], query["limit"])
        return page_answer([_model(row) for row in page.items], page.next_token)

    @extend_schema(
        operation_id="models_register",
        tags=TAG,
        request={
            "application/json": RegisterSerializer,
            "multipart/form-data": UploadFormSerializer,
        },
        responses={201: VersionSerializer, **_refusals(400, 404, 415)},
    )
    def post(self, request: Request) -> Response:
        """Register a model; a name that exists gets its next version.

        From a run, the best run of an experiment, or the server's own files by JSON; from
        elsewhere by an upload.
        """
        if SCOPE_KEY in getattr(request._request, "scope", {}):
            info = self._upload(request)
        else:
            given = RegisterSerializer(data=request.data)
            given.is_valid(raise_exception=True)
            info = _register(request, given.validated_data)
        return Response(_version(info), status=status.HTTP_201_CREATED)

    def _upload(self, request: Request) -> VersionInfo:
        upload = upload_of(request._request)
        given = UploadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        details = {key: value for key, value in given.validated_data.items() if key != "sha256"}
        return services.model_register_upload(upload=upload, user=request.user, **details)


def _register(request: Request, given: dict[str, Any]) -> VersionInfo:
    names = [str(name) for name in DetailsSerializer().fields]
    details = {name: given[name] for name in names if name in given}
    if given["server_path"]:
        return services.model_register_path(
            server_path=given["server_path"], user=request.user, **details
        )
    if given["experiment_id"]:
        return services.model_register_best(
            experiment_id=given["experiment_id"],
            metric=given["metric"],
            mode=given["mode"],
            path=given["path"],
            user=request.user,
            **details,
        )
    return services.model_register_from_run(
        run_id=given["run_id"], path=given["path"], user=request.user, **details
    )


class ModelView(APIView):
    """One model."""

    @extend_schema(
        operation_id="models_get",
        tags=TAG,
        parameters=PAGING,
        responses={200: ModelDetailSerializer, **_refusals(400, 404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Show a model and a page of its versions."""
        found = selectors.model_get(name)
        used = sorted({item for services_ in uses_of_model(name).values() for item in services_})
        query = query_read(request)
        page = selectors.versions_page(name, query["page_token"], query["limit"])
        versions = [_summary(row.version, row.services) for row in page.items]
        body = _model(ModelRow(found, used))
        return Response({**body, "versions": versions, "next_page_token": page.next_token})

    @extend_schema(
        operation_id="models_update",
        tags=TAG,
        request=ModelChangeSerializer,
        responses={200: ModelSerializer, **_refusals(400, 404)},
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change a model's own description or tags."""
        given = ModelChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = services.model_update(name=name, user=request.user, **given.validated_data)
        used = sorted({item for services_ in uses_of_model(name).values() for item in services_})
        return Response(_model(ModelRow(found, used)))

    @extend_schema(
        operation_id="models_delete",
        tags=TAG,
        responses={204: None, **_refusals(404, 409)},
    )
    def delete(self, request: Request, name: str) -> Response:
        """Delete a model with all versions; 409 while a service uses one."""
        services.model_delete(name=name, user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(
    parameters=[
        OpenApiParameter("version", OpenApiTypes.STR, OpenApiParameter.PATH, description="“3”")
    ]
)
class VersionView(APIView):
    """One version of a model."""

    @extend_schema(
        operation_id="versions_get",
        tags=TAG,
        responses={200: VersionSerializer, **_refusals(404)},
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """Show a version with the facts of its files."""
        return Response(_version(selectors.version_get(name, version)))

    @extend_schema(
        operation_id="versions_update",
        tags=TAG,
        request=VersionChangeSerializer,
        responses={200: VersionSerializer, **_refusals(400, 404, 409)},
    )
    def patch(self, request: Request, name: str, version: str) -> Response:
        """Change description, tags, aliases or notes; add properties."""
        given = VersionChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        info = services.version_update(
            name=name, version=version, user=request.user, **given.validated_data
        )
        return Response(_version(info))

    @extend_schema(
        operation_id="versions_delete",
        tags=TAG,
        responses={204: None, **_refusals(404, 409)},
    )
    def delete(self, request: Request, name: str, version: str) -> Response:
        """Delete a version; 409 while a service uses it."""
        services.version_delete(name=name, version=version, user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _model(row: ModelRow) -> dict[str, Any]:
    values = vars(row.model) | {"tags": own_tags(row.model.tags), "services": row.services}
    return dict(ModelSerializer(values).data)


def _version(info: VersionInfo) -> dict[str, Any]:
    used = uses_of_model(info.name).get(info.version, [])
    files = [vars(item) for item in info.files]
    origin = {key: info.origin.get(key, "") for key in ("kind", "by", "path", "folder")}
    values = vars(info) | {
        "uri": info.uri,
        "files": files,
        "services": used,
        "origin": origin,
        "needs_script": info.needs_script,
        "why_script": info.why_script,
        "script_path": info.script_path,
    }
    return dict(VersionSerializer(values).data)


def _summary(version: StoredVersion, used: list[str]) -> dict[str, Any]:
    return dict(VersionSummarySerializer(vars(version) | {"services": used}).data)
