"""REST API of Azure ML v1's two configuration files: read them, and get them back."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deployments import selectors
from deployments.api.common import SERVICES, body_read, known_only, objects_only
from deployments.configuring import v1_configuration
from deployments.models import Revision, Service
from workspaces.errors import NotFound
from workspaces.serializers import refusals


@extend_schema_field({"type": "object", "additionalProperties": True})
class DocumentField(serializers.JSONField):
    """A JSON object, judged by the service function."""


class ImportSerializer(serializers.Serializer[Any]):
    """The content of one or both files."""

    inferenceconfig = DocumentField(required=False, allow_null=True)
    deploymentconfig = DocumentField(required=False, allow_null=True)
    source_ = serializers.CharField(
        required=False, help_text="sha256 of the source folder, where a conda file is looked for"
    )

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        fields["source"] = fields.pop("source_")  # an attribute of fields has that name
        return fields


class ImportedSerializer(serializers.Serializer[Any]):
    inference = DocumentField(allow_null=True, help_text="As `POST /services` takes it")
    deployment = DocumentField(allow_null=True, help_text="As `POST /services` takes it")
    v1 = DocumentField(help_text="As `POST /services` takes it, for the export")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What has no meaning here"
    )


class ImportView(APIView):
    """Reading v1's files."""

    @extend_schema(
        operation_id="configurations_import",
        tags=SERVICES,
        request=ImportSerializer,
        responses={200: ImportedSerializer, **refusals(400)},
    )
    def post(self, request: Request) -> Response:
        """Translate inferenceconfig.json and deploymentconfig.json; makes nothing."""
        known_only(ImportSerializer, request)
        given = body_read(ImportSerializer, request)
        objects_only(given, "inferenceconfig", "deploymentconfig")
        found = v1_configuration.configurations_import(
            inference=given.get("inferenceconfig"),
            deployment=given.get("deploymentconfig"),
            source=given.get("source"),
        )
        return Response(found)


def _revision(service: Service) -> Revision:
    revision = service.wanted or service.active
    if revision is None:
        raise NotFound(_("The service has no revision yet."))
    return revision


class InferenceConfigView(APIView):
    """inferenceconfig.json of a service."""

    @extend_schema(
        operation_id="services_inferenceconfig",
        tags=SERVICES,
        responses={200: {"type": "object", "additionalProperties": True}, **refusals(404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Show the entry script and environment as v1's inferenceconfig.json."""
        revision = _revision(selectors.service_get(name))
        return _file(v1_configuration.inference_export(revision), "inferenceconfig.json")


class DeploymentConfigView(APIView):
    """deploymentconfig.json of a service."""

    @extend_schema(
        operation_id="services_deploymentconfig",
        tags=SERVICES,
        responses={200: {"type": "object", "additionalProperties": True}, **refusals(404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Show the configuration as v1's deploymentconfig.json."""
        service = selectors.service_get(name)
        found = v1_configuration.deployment_export(service, _revision(service))
        return _file(found, "deploymentconfig.json")


def _file(document: dict[str, Any], name: str) -> Response:
    return Response(document, headers={"Content-Disposition": f'attachment; filename="{name}"'})
