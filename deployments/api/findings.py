"""REST API of pre-flight and profile: asking, and what is known of a version."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deployments import selectors
from deployments.api import fields
from deployments.api import serializers as shapes
from deployments.api.common import SERVICES, body_read, known_only, objects_only
from deployments.choices import OperationKind
from deployments.models import Finding
from deployments.trying import findings
from deployments.trying.preflight import preflight
from deployments.trying.profiles import NUMBERS, profile_ask
from deployments.trying.trials import SAMPLE, preflight_ask
from registry import selectors as registry
from workspaces.serializers import refusals

MODELS = ["models"]
OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}
VERSION = [
    OpenApiParameter("version", OpenApiTypes.STR, OpenApiParameter.PATH, description="“3”"),
]


class AcceptedTrialSerializer(shapes.Body):
    """What could be said at once, and the operation that says the rest in `found`."""

    items = shapes.PreflightCheckSerializer(many=True)
    operation = shapes.OperationSerializer()


class AcceptedProfileSerializer(shapes.Body):
    operation = shapes.OperationSerializer()


class FindingSerializer(shapes.Body):
    target = serializers.CharField()
    kind = serializers.CharField(help_text="Kind of the target")
    result = serializers.ChoiceField(choices=["passed", "warning", "failed"])
    checks = shapes.PreflightCheckSerializer(many=True)
    measured = serializers.DictField(
        help_text="Of a pre-flight load_seconds, ms_per_row, rest_mb, peak_mb, answer, traceback "
        "and more; of a profile the fields of v1's Model.profile, and levels"
    )
    python = serializers.CharField(allow_blank=True)
    loader = serializers.CharField(allow_blank=True)
    environment = serializers.CharField(allow_blank=True, help_text="Hash of its packages")
    asked = serializers.DictField()
    changes = serializers.ListField(
        child=serializers.CharField(), help_text="What is another thing now than it was then"
    )
    operation = serializers.UUIDField(allow_null=True)
    requested_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class FindingListSerializer(shapes.Body):
    items = FindingSerializer(many=True)


class ProfileSerializer(shapes.Body):
    """A profile to make. What is left out takes its default."""

    target = fields.TextField(help_text="Name of a compute target")
    inference = fields.InferenceField(required=False, allow_null=True)
    deployment = fields.DeploymentField(required=False, allow_null=True)
    sample_input = serializers.JSONField(
        required=False,
        allow_null=True,
        help_text="A request's JSON; left out: the sample or example it was registered with",
    )
    requests_per_second = serializers.JSONField(**OPTIONAL, help_text="To serve at the peak")
    p99_ms = serializers.JSONField(**OPTIONAL, help_text="99 % shall be answered within it")
    time_limit_seconds = serializers.JSONField(**OPTIONAL, help_text="10 to 1500; default 120")
    max_clients = serializers.JSONField(**OPTIONAL, help_text="1 to 128; default 64")


class PreflightView(APIView):
    """What would stop a deployment."""

    @extend_schema(
        operation_id="preflight",
        tags=SERVICES,
        request=shapes.PreflightSerializer,
        responses={
            200: shapes.PreflightListSerializer,
            202: OpenApiResponse(AcceptedTrialSerializer, "With `deep`: it is being tried"),
            **refusals(400, 404, 409, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Check a deployment without making it; with `deep` also try the model on the target."""
        given = body_read(shapes.PreflightSerializer, request)
        objects_only(given, "deployment", "inference")
        deep = given.pop("deep", False)
        sample = _sample(given)
        checks = preflight(**{"name": "", **given})
        if "name" not in given:
            checks = [check for check in checks if check.name != "name"]
        if deep:  # the operation will say that
            checks = [check for check in checks if check.name != "trial"]
        items = [shapes.check_body(check) for check in checks]
        if not deep:
            return Response({"items": items})
        given.pop("name", None)
        operation = preflight_ask(**given, sample=sample, user=request.user)  # type: ignore[arg-type]
        body = shapes.operation_body(selectors.operation_get(operation.pk))
        return Response({"items": items, "operation": body}, status=status.HTTP_202_ACCEPTED)


@extend_schema(parameters=VERSION)
class VersionPreflightView(APIView):
    """What trials found of a version."""

    @extend_schema(
        operation_id="versions_preflight",
        tags=MODELS,
        responses={200: FindingListSerializer, **refusals(404, 503)},
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """Show what was found by trying a version, the newest first."""
        return _listed(name, version, OperationKind.PREFLIGHT)


@extend_schema(parameters=VERSION)
class VersionProfileView(APIView):
    """How big a service of a version should be."""

    @extend_schema(
        operation_id="versions_profile",
        tags=MODELS,
        responses={200: FindingListSerializer, **refusals(404, 503)},
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """Show the profiles of a version, the newest first."""
        return _listed(name, version, OperationKind.PROFILE)

    @extend_schema(
        operation_id="versions_profile_make",
        tags=MODELS,
        request=ProfileSerializer,
        responses={202: AcceptedProfileSerializer, **refusals(400, 404, 409, 503)},
    )
    def post(self, request: Request, name: str, version: str) -> Response:
        """Measure a version at rising load on a target, and recommend a size for its service."""
        known_only(ProfileSerializer, request)
        given = body_read(ProfileSerializer, request)
        objects_only(given, "deployment", "inference")
        wanted = {key: given.pop(key) for key in NUMBERS if key in given}
        sample = _sample(given)
        operation = profile_ask(
            model=f"models:/{name}/{version}",
            user=request.user,  # type: ignore[arg-type]
            sample=sample,
            wanted=wanted,
            **given,
        )
        body = shapes.operation_body(selectors.operation_get(operation.pk))
        return Response({"operation": body}, status=status.HTTP_202_ACCEPTED)


def _sample(given: dict[str, Any]) -> dict[str, Any]:
    """Take the samples out of a body; null is none."""
    taken = {name: given.pop(name, None) for name in SAMPLE}
    return {name: value for name, value in taken.items() if value is not None}


def _listed(name: str, version: str, kind: OperationKind) -> Response:
    found = registry.version_get(name, version, read_files=False)
    rows = findings.findings_of(found.name, found.version, kind)
    return Response({"items": [finding_body(row) for row in rows]})


def finding_body(finding: Finding) -> dict[str, Any]:
    values = {
        **{
            name: getattr(finding, name)
            for name in (
                *("target", "result", "checks", "measured", "python", "loader", "asked"),
                *("operation", "created_at"),
            )
        },
        "kind": finding.target_kind,
        "environment": finding.environment_hash,
        "changes": findings.changes_since(finding, findings.situation_of(finding)),
        "requested_by": finding.made_by.get_username() if finding.made_by else None,
    }
    return dict(FindingSerializer(values).data)
