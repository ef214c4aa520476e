"""Shapes of the API of services, operations and targets, for its document and its answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from deployments import selectors
from deployments.api.fields import DeploymentField, InferenceField, OriginalsField, TextField
from deployments.choices import OperationKind, OperationStatus, ServiceState, StepState
from deployments.configuring import configuration
from deployments.control.instances import batches
from deployments.models import Operation, Revision, Service, Target
from deployments.pages.wizard import Recommendation
from deployments.services import WORDS
from deployments.trying.preflight import Check
from workspaces.serializers import PageSerializer

Body = serializers.Serializer[Any]


class StepSerializer(Body):
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=StepState.choices)
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    message = serializers.CharField(allow_blank=True)


class OperationSerializer(Body):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=OperationKind.choices)
    service = serializers.CharField(
        allow_blank=True, help_text="Name of the service, also after it was deleted"
    )
    subject = serializers.CharField(
        allow_blank=True, help_text="What it is about when it belongs to no service"
    )
    found = serializers.DictField(help_text="What work of no service found out")
    status = serializers.ChoiceField(choices=OperationStatus.choices)
    steps = StepSerializer(many=True)
    error = serializers.CharField(allow_blank=True)
    requested_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class BatchingSerializer(Body):
    """Whether requests that wait together are scored together."""

    on = serializers.BooleanField()
    row_wise = serializers.BooleanField(allow_null=True, help_text="Found by the check; null: none")
    reason = serializers.CharField(allow_blank=True)


class ServiceSerializer(Body):
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    properties = serializers.DictField(child=serializers.CharField(allow_blank=True))
    target = serializers.CharField()
    kind = serializers.CharField(help_text="Kind of the target")
    model = serializers.CharField(allow_null=True, help_text="`models:/NAME/VERSION`")
    revision = serializers.IntegerField(allow_null=True)
    desired = serializers.CharField()
    state = serializers.ChoiceField(choices=ServiceState.choices)
    reason = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    scoring_uri = serializers.CharField()
    swagger_uri = serializers.CharField()
    deployment = serializers.DictField(help_text="As the PATCH of a service takes it")
    inference = serializers.DictField()
    loader = serializers.CharField(
        allow_null=True, help_text="`fast`, `plain`, `script`; of the revision"
    )
    loader_reason = serializers.CharField(allow_blank=True)
    batching = BatchingSerializer(allow_null=True)
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    operation = serializers.UUIDField(allow_null=True, help_text="The latest operation")


class ServicePageSerializer(PageSerializer):
    items = ServiceSerializer(many=True)


class OperationPageSerializer(PageSerializer):
    items = OperationSerializer(many=True)


class AcceptedSerializer(Body):
    """Long work was accepted: the service as it is, and the operation that does the work."""

    service = ServiceSerializer(allow_null=True, help_text="Null: the work belongs to no service")
    operation = OperationSerializer(allow_null=True)


class ServiceCreateSerializer(Body):
    """Only presence is checked here; the service function names every violation at once."""

    name = TextField(help_text="3 to 32 small letters, digits and hyphens")
    model = TextField(help_text="`models:/NAME/VERSION`")
    target = TextField(help_text="Name of a compute target")
    inference = InferenceField(required=False, allow_null=True)
    deployment = DeploymentField(required=False, allow_null=True)
    v1 = OriginalsField(required=False, allow_null=True)
    description = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)


class ServiceChangeSerializer(Body):
    """What is omitted stays. A model or a deployment configuration makes a revision."""

    model = TextField(required=False, help_text="`models:/NAME/VERSION`")
    inference = InferenceField(required=False)
    deployment = DeploymentField(required=False)
    v1 = OriginalsField(required=False, allow_null=True)
    description = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)


class KeysSerializer(Body):
    primary = serializers.CharField()
    secondary = serializers.CharField()


class KeyChoiceSerializer(Body):
    key = serializers.ChoiceField(choices=["primary", "secondary", "token"])


class ServiceTokenSerializer(Body):
    """Send it as `Authorization: Bearer <access_token>`."""

    access_token = serializers.CharField()
    token_type = serializers.CharField(help_text="Bearer")
    expires_at = serializers.DateTimeField()
    refresh_after = serializers.DateTimeField(help_text="Ask for the next one from then on")


class LogSerializer(Body):
    text = serializers.CharField(allow_blank=True)
    next_offset = serializers.IntegerField(help_text="Ask again with this offset")
    complete = serializers.BooleanField(help_text="Nothing will follow")


class TargetSerializer(Body):
    name = serializers.CharField()
    kind = serializers.CharField()
    ready = serializers.BooleanField()
    problems = serializers.ListField(child=serializers.CharField())
    capacity = serializers.DictField()
    checked_at = serializers.DateTimeField(allow_null=True)
    services = serializers.ListField(child=serializers.CharField())


class TargetPageSerializer(PageSerializer):
    items = TargetSerializer(many=True)


class AnswersSerializer(Body):
    """What is omitted takes its default. `memory` is in GB, `milliseconds` per request."""

    model = serializers.CharField(required=False, help_text="Takes the measured memory of it")
    mode = serializers.ChoiceField(choices=["real-time", "batch"], required=False)
    callers = serializers.ChoiceField(choices=["self", "team", "outside"], required=False)
    requests_per_second = serializers.FloatField(required=False)
    milliseconds = serializers.FloatField(required=False)
    memory = serializers.FloatField(required=False)
    accelerator = serializers.ChoiceField(choices=["none", "gpu", "fpga"], required=False)
    survive = serializers.ChoiceField(choices=["none", "restart", "machine"], required=False)
    purpose = serializers.ChoiceField(choices=["development", "production"], required=False)
    authentication = serializers.ChoiceField(choices=["key", "token", "none"], required=False)
    trusted = serializers.BooleanField(required=False)


class RecommendationSerializer(Body):
    rank = serializers.IntegerField()
    target = serializers.CharField(allow_null=True, help_text="Null: no such target here yet")
    kind = serializers.CharField()
    fits = serializers.BooleanField()
    score = serializers.IntegerField()
    reasons_for = serializers.ListField(child=serializers.CharField())
    reasons_against = serializers.ListField(child=serializers.CharField())
    replicas = serializers.IntegerField()
    deployment = serializers.DictField()


class RecommendationListSerializer(Body):
    items = RecommendationSerializer(many=True)


class PreflightSerializer(Body):
    name = TextField(required=False)
    model = TextField(help_text="`models:/NAME/VERSION`")
    target = TextField(help_text="Name of a compute target")
    inference = InferenceField(required=False, allow_null=True)
    deployment = DeploymentField(required=False, allow_null=True)
    deep = serializers.BooleanField(
        required=False, help_text="Also try the model on the target, in the background"
    )
    sample_input = serializers.JSONField(
        required=False,
        allow_null=True,
        help_text="A request's JSON; left out: the sample or example it was registered with",
    )
    sample_output = serializers.JSONField(
        required=False, allow_null=True, help_text="What it must answer"
    )


class PreflightCheckSerializer(Body):
    name = serializers.CharField()
    result = serializers.ChoiceField(choices=["passed", "warning", "failed"])
    sentence = serializers.CharField()
    next_step = serializers.CharField(allow_blank=True, help_text="What to do about it")


class PreflightListSerializer(Body):
    items = PreflightCheckSerializer(many=True)


def operation_body(operation: Operation) -> dict[str, Any]:
    asker = operation.requested_by
    values = {
        "id": operation.pk,
        "kind": operation.kind,
        "service": operation.service_name,
        "subject": operation.subject,
        "found": operation.found,
        "status": operation.status,
        "steps": list(operation.steps.all()),
        "error": operation.error,
        "requested_by": asker.get_username() if asker else None,
        "created_at": operation.created_at,
        "ended_at": operation.ended_at,
    }
    return dict(OperationSerializer(values).data)


def service_body(service: Service, host: str, operation_id: Any = None) -> dict[str, Any]:
    """A service as the API shows it. Scoring URIs are those that this caller can reach."""
    revision: Revision | None = service.wanted or service.active
    maker = service.created_by
    values = {
        **{
            field: getattr(service, field)
            for field in (
                *("name", "description", "tags", "properties", "desired", "state"),
                *("reason", "message", "created_at", "updated_at"),
            )
        },
        "target": service.target.name,
        "kind": service.target.kind,
        "model": revision.model_uri if revision else None,
        "revision": revision.number if revision else None,
        "scoring_uri": selectors.scoring_uri(service, host),
        "swagger_uri": selectors.swagger_uri(service, host),
        "deployment": _deployment(service, revision) if revision else {},
        "loader": revision.loader if revision else None,
        "loader_reason": revision.loader_reason if revision else "",
        "batching": _batching(revision) if revision else None,
        "inference": revision.inference if revision else {},
        "created_by": maker.get_username() if maker else None,
        "operation": operation_id,
    }
    return dict(ServiceSerializer(values).data)


def _deployment(service: Service, revision: Revision) -> dict[str, Any]:
    """The revision's configuration with the service's own words, as a PATCH takes it."""
    wish = configuration.from_dict(revision.deployment).as_json()
    return {**wish, **{key: getattr(service, key) for key in WORDS}}


def _batching(revision: Revision) -> dict[str, Any]:
    wish = configuration.from_dict(revision.deployment)
    return {
        "on": batches(revision, wish),
        "row_wise": revision.row_wise,
        "reason": revision.row_wise_reason,
    }


def latest_operations(services: Iterable[Service]) -> dict[int, Any]:
    """Service id -> id of its latest operation, in one query."""
    rows = (
        Operation.objects.filter(service__in=[service.pk for service in services])
        .order_by("created_at", "id")
        .values_list("service_id", "id")
    )
    return dict(rows)  # the last one of each service wins


def target_body(target: Target) -> dict[str, Any]:
    values = {
        "name": target.name,
        "kind": target.kind,
        "ready": target.is_ready,
        "problems": target.problems,
        "capacity": target.capacity,
        "checked_at": target.checked_at,
        "services": sorted(service.name for service in target.services.all()),
    }
    return dict(TargetSerializer(values).data)


def recommendation_body(item: Recommendation) -> dict[str, Any]:
    return {
        "rank": item.rank,
        "target": item.target,
        "kind": item.kind.kind,
        "fits": item.fits,
        "score": item.score,
        "reasons_for": list(item.reasons_for),
        "reasons_against": list(item.reasons_against),
        "replicas": item.replicas,
        "deployment": item.configuration,
    }


def check_body(check: Check) -> dict[str, Any]:
    return dict(check.as_dict())
