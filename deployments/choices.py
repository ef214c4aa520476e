"""Words of state with their labels, colours, icons and sets. Nobody else compares strings."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Desired(models.TextChoices):
    """What people want of a service."""

    RUNNING = "running", _("Running")
    STOPPED = "stopped", _("Stopped")
    DELETED = "deleted", _("Deleted")


class ServiceState(models.TextChoices):
    """What is true of a service; only reconcile writes it. Azure ML's words and two of ours."""

    TRANSITIONING = "Transitioning", _("Transitioning")
    HEALTHY = "Healthy", _("Healthy")
    UNHEALTHY = "Unhealthy", _("Unhealthy")
    UNSCHEDULABLE = "Unschedulable", _("Unschedulable")
    FAILED = "Failed", _("Failed")
    STOPPED = "Stopped", _("Stopped")
    DELETING = "Deleting", _("Deleting")


class OperationKind(models.TextChoices):
    DEPLOY = "deploy", _("Deploy")
    UPDATE = "update", _("Update")
    START = "start", _("Start")
    RESTART = "restart", _("Restart")
    STOP = "stop", _("Stop")
    DELETE = "delete", _("Delete")
    PREFLIGHT = "preflight", _("Pre-flight")
    PROFILE = "profile", _("Profile")
    BUILD = "build", _("Build environment")


class OperationStatus(models.TextChoices):
    RUNNING = "Running", _("Running")
    SUCCEEDED = "Succeeded", _("Succeeded")
    FAILED = "Failed", _("Failed")
    CANCELLED = "Cancelled", _("Cancelled")
    TIMED_OUT = "TimedOut", _("Timed out")


class StepName(models.TextChoices):
    QUEUED = "Queued", _("Queued")
    COPY_MODEL = "Copy model", _("Copy model")
    PREPARE_ENVIRONMENT = "Prepare environment", _("Prepare environment")
    BUILD_IMAGE = "Build image", _("Build image")
    START = "Start", _("Start")
    HEALTH_CHECK = "Health check", _("Health check")
    SMOKE_TEST = "Smoke test", _("Smoke test")
    READY = "Ready", _("Ready")
    STOP = "Stop", _("Stop")
    CLEAN_UP = "Clean up", _("Clean up")
    TRY_MODEL = "Try model", _("Try model")
    MEASURE = "Measure", _("Measure")


class StepState(models.TextChoices):
    PENDING = "pending", _("Pending")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    SKIPPED = "skipped", _("Skipped")


OPEN_OPERATION = frozenset({OperationStatus.RUNNING})
FINAL_SERVICE_STATES = frozenset(
    {ServiceState.HEALTHY, ServiceState.FAILED}
)  # for a waiting client
LONG_STEPS = frozenset(  # run by the `steps` queue; the others by reconcile itself
    {
        StepName.COPY_MODEL,
        StepName.PREPARE_ENVIRONMENT,
        StepName.BUILD_IMAGE,
        StepName.SMOKE_TEST,
        StepName.TRY_MODEL,
        StepName.MEASURE,
    }
)

# colour is a token of static/css/studio.css, icon a lucide name
PILLS: dict[str, tuple[str, str]] = {
    ServiceState.HEALTHY: ("success", "circle-check"),
    ServiceState.TRANSITIONING: ("brand", "loader"),
    ServiceState.UNHEALTHY: ("warning", "triangle-alert"),
    ServiceState.UNSCHEDULABLE: ("warning", "hourglass"),
    ServiceState.FAILED: ("danger", "circle-x"),
    ServiceState.STOPPED: ("neutral", "circle-stop"),
    ServiceState.DELETING: ("neutral", "trash-2"),
    OperationStatus.RUNNING: ("brand", "loader"),
    OperationStatus.SUCCEEDED: ("success", "circle-check"),
    OperationStatus.CANCELLED: ("neutral", "ban"),
    OperationStatus.TIMED_OUT: ("danger", "timer-off"),
    StepState.PENDING: ("neutral", "circle-dashed"),
    StepState.RUNNING: ("brand", "loader"),
    StepState.SUCCEEDED: ("success", "circle-check"),
    StepState.FAILED: ("danger", "circle-x"),
    StepState.CANCELLED: ("neutral", "ban"),
    StepState.SKIPPED: ("neutral", "circle-minus"),
}
