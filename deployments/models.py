"""Tables of deployments. Rules live in the service functions and in `state.py`, not here."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.choices import (
    Desired,
    OperationKind,
    OperationStatus,
    ServiceState,
    StepName,
    StepState,
)
from registry.models import VersionRecord

SERVICE_NAME = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"  # azure-v1.md §1.9, 3-32 characters


class Target(models.Model):
    """A compute target: where services can run. `local` and `docker` exist by themselves."""

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16)  # a key of settings.SLIPWAY_DRIVERS
    node = models.CharField(max_length=32)  # DataFolder.node_id of the node that reconciles it
    config = models.JSONField(default=dict)
    problems = models.JSONField(default=list)  # sentences of the last check; empty: ready
    capacity = models.JSONField(default=dict)  # drivers.base.Capacity as a dict
    checked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    @property
    def is_ready(self) -> bool:
        return self.checked_at is not None and not self.problems


class Quota(models.Model):
    """What all services on a target may ask for together; see quotas.py. None: no limit."""

    target = models.OneToOneField(Target, on_delete=models.CASCADE, related_name="quota")
    services = models.PositiveIntegerField(null=True)
    cpu = models.FloatField(null=True)  # cores
    memory_mb = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return f"Quota of {self.target}"


class Service(models.Model):
    """A deployed model with a scoring URI. Three facts: desired, state, reason with message."""

    name = models.CharField(
        max_length=32,
        unique=True,
        validators=[RegexValidator(SERVICE_NAME, _("Use small letters, digits and hyphens."))],
    )
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    properties = models.JSONField(default=dict)
    target = models.ForeignKey(Target, on_delete=models.PROTECT, related_name="services")

    desired = models.CharField(max_length=8, choices=Desired.choices, default=Desired.RUNNING)
    generation = models.PositiveIntegerField(default=1)  # rises with each change a person makes
    state = models.CharField(
        max_length=16, choices=ServiceState.choices, default=ServiceState.TRANSITIONING
    )
    reason = models.CharField(max_length=64, blank=True)  # one word for programs: "LoadFailed"
    message = models.TextField(blank=True)  # plain words for people
    failed_generation = models.PositiveIntegerField(default=0)  # Failed belongs to a generation
    restart_generation = models.PositiveIntegerField(default=0)  # part of the digest
    state_since = models.DateTimeField(default=timezone.now)

    wanted = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    active = models.ForeignKey(  # passed its smoke test; the gateway routes to it
        "Revision", null=True, on_delete=models.SET_NULL, related_name="+"
    )

    keys = models.JSONField(default=dict)  # {"primary", "secondary", "studio", "token"} encrypted
    keys_version = models.PositiveIntegerField(default=1)

    next_check_at = models.DateTimeField(default=timezone.now)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)
    probe_failures = models.PositiveIntegerField(default=0)
    probed_at = models.DateTimeField(null=True)  # last good readiness probe

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["next_check_at"])]

    def __str__(self) -> str:
        return self.name


class Revision(models.Model):
    """One immutable model + inference configuration + deployment configuration of a service."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    model_store = models.CharField(max_length=64)
    model_name = models.CharField(max_length=512)
    model_version = models.CharField(max_length=32)
    model_sha256 = models.CharField(max_length=64, blank=True)  # set by the step "Copy model"
    environment_hash = models.CharField(max_length=64, blank=True)  # set by "Prepare environment"
    runtime = models.CharField(max_length=64, blank=True)  # folder below runtimes/, likewise
    image = models.CharField(max_length=255, blank=True)  # set by "Build image"
    python = models.CharField(max_length=8, blank=True)  # minor the model runs on, "3.11"
    loader = models.CharField(max_length=8, default="plain")  # set by "Prepare environment"
    loader_reason = models.CharField(max_length=500, blank=True)
    row_wise = models.BooleanField(null=True)  # what the runtime's check found; None: not known
    row_wise_reason = models.CharField(max_length=500, blank=True)  # "" before the check
    inference = models.JSONField(default=dict)  # see inference.py; {}: no code
    # of an entry script, set by the long steps: {"models": [{"name", "version", "sha256", and its
    # layout}] beside its own, "own": the layout of its own, "variables": {…}}
    prepared = models.JSONField(default=dict)
    v1 = models.JSONField(default=dict)  # {"inferenceconfig", "deploymentconfig"} as imported
    deployment = models.JSONField(default=dict)  # configuration.DeploymentConfiguration
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["service", "number"], name="one_revision_number"),
        ]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.service.name} revision {self.number}"

    @property
    def model_uri(self) -> str:
        return f"models:/{self.model_name}/{self.model_version}"


class ModelCheck(models.Model):
    """What `serving check` found of a model in an environment; true as long as all four stay."""

    model_sha256 = models.CharField(max_length=64)
    environment_hash = models.CharField(max_length=64)
    runtime = models.CharField(max_length=64)  # runtimes.version()
    loader = models.CharField(max_length=8)
    found = models.JSONField(default=dict)  # the answer of the check, see modelcheck.Found
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model_sha256", "environment_hash", "runtime", "loader"],
                name="one_model_check",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.loader} check of {self.model_sha256[:12]}"


class Operation(models.Model):
    """One piece of background work a person asked for, with steps and a log. It always ends."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=OperationKind.choices)
    service = models.ForeignKey(
        Service, null=True, on_delete=models.SET_NULL, related_name="operations"
    )
    service_name = models.CharField(max_length=32, blank=True)  # outlives the service
    # of work that belongs to no service: what it is about, what was asked, what was found
    subject = models.CharField(max_length=600, blank=True)
    node = models.CharField(max_length=32, blank=True)  # whose workers run it
    asked = models.JSONField(default=dict)
    found = models.JSONField(default=dict)
    revision = models.ForeignKey(Revision, null=True, on_delete=models.SET_NULL, related_name="+")
    generation = models.PositiveIntegerField()
    status = models.CharField(
        max_length=16, choices=OperationStatus.choices, default=OperationStatus.RUNNING
    )
    error = models.TextField(blank=True)  # plain words
    cancel_requested_at = models.DateTimeField(null=True)
    target_lost = models.BooleanField(default=False)  # it timed out because nobody answered
    deadline = models.DateTimeField(null=True)  # set when the environment is ready
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["service"],
                condition=models.Q(status=OperationStatus.RUNNING),
                name="one_open_operation",
            ),
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(status=OperationStatus.RUNNING) & ~models.Q(subject=""),
                name="one_open_operation_per_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"

    @property
    def about(self) -> str:
        """What a person knows it by: its service, or what else it works on."""
        return self.service_name or self.subject

    @property
    def is_open(self) -> bool:
        return self.status == OperationStatus.RUNNING


class Step(models.Model):
    """One step of an operation. Its log is a file: operations/<id>/<position>.log."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=32, choices=StepName.choices)
    state = models.CharField(max_length=16, choices=StepState.choices, default=StepState.PENDING)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)  # of a worker that runs a long step
    claim = models.CharField(max_length=32, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["operation", "position"], name="one_step_position"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.operation_id}"


class Finding(models.Model):
    """What pre-flight or profile found of a model version on a target, in one environment."""

    record = models.ForeignKey(VersionRecord, on_delete=models.CASCADE, related_name="+")
    identity = models.CharField(max_length=64, blank=True)  # of the record when it was found
    kind = models.CharField(max_length=16, choices=OperationKind.choices)
    target = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=16)
    environment_hash = models.CharField(max_length=64, blank=True)  # "": it could not be made
    python = models.CharField(max_length=8, blank=True)
    loader = models.CharField(max_length=8, blank=True)
    runtime = models.CharField(max_length=64, blank=True)  # runtimes.version()
    asked = models.JSONField(default=dict)  # deployment, inference, wanted; never a sample
    checks = models.JSONField(default=list)  # check_values.Check as dicts
    measured = models.JSONField(default=dict)  # of serving.trial, or of profile_result
    result = models.CharField(max_length=8)  # the worst of the checks
    operation = models.UUIDField(null=True)  # its log, for as long as it is kept
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["record", "kind", "target", "environment_hash"], name="one_finding"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.record} on {self.target}"


class Port(models.Model):
    """A host port held by one replica; the unique row is the lock."""

    number = models.PositiveIntegerField(unique=True)
    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="ports")
    replica = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["revision", "replica"], name="one_port_per_replica"),
        ]

    def __str__(self) -> str:
        return str(self.number)


class Heartbeat(models.Model):
    """A process of the studio says that it lives: worker, beat, gateway."""

    name = models.CharField(max_length=128, unique=True)  # "control@node", "beat@node"
    kind = models.CharField(max_length=16)
    node = models.CharField(max_length=32)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name
