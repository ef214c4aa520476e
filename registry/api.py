"""REST API of models and versions. Calls the same services as the pages."""

from __future__ import annotations

import json
from typing import Any

from django.urls import path
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry import api_sources, selectors, services
from registry.formats import FRAMEWORKS, KINDS
from registry.receiving import SCOPE_KEY, upload_of
from registry.uses import uses_of_model
from registry.values import ModelRow, VersionInfo, own_tags
from workspaces.serializers import (
    PAGING,
    ListQuerySerializer,
    PageSerializer,
    page_answer,
    query_read,
    refusals,
)
from workspaces.tracking_model_values import StoredVersion

TAG = ["models"]


class ModelsQuerySerializer(ListQuerySerializer):
    search = serializers.CharField(required=False, allow_blank=True, default="")


class JsonTextField(serializers.JSONField):
    """Any JSON value; in a form as text."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            try:
                return json.loads(data)
            except (ValueError, RecursionError):
                raise serializers.ValidationError(_("This is not valid JSON.")) from None
        return data


class DetailsSerializer(serializers.Serializer[Any]):
    """What is said of a version, whatever way its files come."""

    name = serializers.CharField(max_length=255)
    description = serializers.CharField(required=False, allow_blank=True, default="")
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    properties = serializers.DictField(
        child=serializers.CharField(allow_blank=True), required=False, help_text="Set for good"
    )
    framework = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        help_text=f"{', '.join(FRAMEWORKS)}; left out: what the files tell",
    )
    framework_version = serializers.CharField(required=False, allow_blank=True, default="")
    sample_input = serializers.JSONField(required=False, allow_null=True, default=None)
    sample_output = serializers.JSONField(required=False, allow_null=True, default=None)


class RegisterSerializer(DetailsSerializer):
    """Files that are there already: exactly one of run_id, experiment_id, server_path."""

    run_id = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    path = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=1000,
        help_text="Name of a logged model of the run, else a file or folder among its artifacts; "
        "empty: the most recent logged model.",
    )
    experiment_id = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        default="",
        help_text="The best run of this experiment by `metric`",
    )
    metric = serializers.CharField(max_length=250, required=False, allow_blank=True, default="")
    mode = serializers.ChoiceField(
        choices=["max", "min"], required=False, default="max", help_text="Which value is the best"
    )
    server_path = serializers.CharField(
        max_length=4000,
        required=False,
        allow_blank=True,
        default="",
        help_text="A file or folder of the server, below the folders of SLIPWAY_MODEL_PATHS",
    )

    def to_internal_value(self, data: Any) -> Any:
        """Judges the source with the fields: all that is wrong comes in one answer."""
        wrong = _source_errors(data) if isinstance(data, dict) else {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if isinstance(error.detail, dict):
                raise serializers.ValidationError({**wrong, **error.detail}) from None
            raise
        if wrong:
            raise serializers.ValidationError(wrong)
        return values


def _source_errors(data: dict[str, Any]) -> dict[str, list[str]]:
    given = [key for key in ("run_id", "experiment_id", "server_path") if data.get(key)]
    if not given:
        return {"run_id": [_("This field is required.")]}
    text = _("Only one of run_id, experiment_id and server_path.")
    return {key: [text] for key in given[1:]}


class UploadSerializer(DetailsSerializer):
    """The plain fields of a form with files; what is no text is JSON."""

    tags = JsonTextField(required=False, default=None)  # type: ignore[assignment]
    properties = JsonTextField(required=False, default=None)  # type: ignore[assignment]
    sample_input = JsonTextField(required=False, default=None)
    sample_output = JsonTextField(required=False, default=None)
    sha256 = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="Of the file or the archive; for several files an object of path and sha-256",
    )


class UploadFormSerializer(UploadSerializer):
    """For the document: the form with its files."""

    files = serializers.ListField(
        child=serializers.FileField(),
        help_text="One file, several (file names may be relative paths), or one zip or tar",
    )


class VersionChangeSerializer(serializers.Serializer[Any]):
    """What is omitted stays; tags and aliases are replaced as a whole."""

    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    aliases = serializers.ListField(child=serializers.CharField(), required=False, max_length=100)
    properties = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        required=False,
        help_text="New ones; a property that is set never changes",
    )
    notes = serializers.CharField(required=False, allow_blank=True, help_text="Markdown")


class OriginSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(
        allow_blank=True, help_text="run, upload, path; empty: another MLflow client made it"
    )
    by = serializers.CharField(allow_blank=True)
    path = serializers.CharField(allow_blank=True)
    folder = serializers.CharField(
        allow_blank=True, help_text="Name of the folder that the files were in"
    )


class FileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)


class VersionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    uri = serializers.CharField(help_text="`models:/NAME/VERSION`, as services take it")
    description = serializers.CharField(allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    aliases = serializers.ListField(child=serializers.CharField())
    status = serializers.CharField()
    run_id = serializers.CharField(allow_blank=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    registered_by = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    flavors = serializers.DictField(child=serializers.DictField())
    signature = serializers.DictField(allow_null=True)
    requirements = serializers.ListField(child=serializers.CharField())
    python_version = serializers.CharField(allow_blank=True)
    mlflow_version = serializers.CharField(allow_blank=True)
    input_example = serializers.DictField(
        allow_null=True, help_text="Can be sent to a scoring URI as it is"
    )
    size_bytes = serializers.IntegerField(allow_null=True)
    files = FileSerializer(many=True)
    sha256 = serializers.CharField(allow_blank=True)
    properties = serializers.DictField()
    origin = OriginSerializer()
    format = serializers.CharField(allow_blank=True, help_text=", ".join(KINDS))
    framework = serializers.CharField(allow_blank=True)
    framework_version = serializers.CharField(allow_blank=True)
    sample_input = serializers.JSONField(allow_null=True)
    sample_output = serializers.JSONField(allow_null=True)
    notes = serializers.CharField(allow_blank=True)
    needs_script = serializers.BooleanField(
        help_text="It is no MLflow model: only an entry script can serve it"
    )
    problem = serializers.CharField(
        allow_blank=True, help_text="Why not everything is known, in words"
    )
    services = serializers.ListField(child=serializers.CharField())


class ModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    aliases = serializers.DictField(child=serializers.CharField())
    latest_version = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    services = serializers.ListField(child=serializers.CharField())


class VersionSummarySerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    aliases = serializers.ListField(child=serializers.CharField())
    run_id = serializers.CharField(allow_blank=True)
    status = serializers.CharField()
    created_at = serializers.DateTimeField(allow_null=True)
    services = serializers.ListField(child=serializers.CharField())


class ModelDetailSerializer(ModelSerializer):
    versions = VersionSummarySerializer(many=True, help_text="A page of them, the newest first")
    next_page_token = serializers.CharField(allow_blank=True, help_text="empty on the last page")


class ModelPageSerializer(PageSerializer):
    items = ModelSerializer(many=True)


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
    }
    return dict(VersionSerializer(values).data)


def _summary(version: StoredVersion, used: list[str]) -> dict[str, Any]:
    return dict(VersionSummarySerializer(vars(version) | {"services": used}).data)


urlpatterns = [
    path("models", ModelsView.as_view(), name="models"),
    path("models/<str:name>", ModelView.as_view(), name="model"),
    path("models/<str:name>/versions/<str:version>", VersionView.as_view(), name="version"),
    path("sources", api_sources.SourcesView.as_view(), name="sources"),
    path("sources/<str:sha256>", api_sources.SourceView.as_view(), name="source"),
    path("scripts/check", api_sources.ScriptCheckView.as_view(), name="scripts-check"),
    path("scripts/templates", api_sources.ScriptTemplatesView.as_view(), name="scripts-templates"),
]
