"""Operations and their steps: made, advanced and ended by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.choices import OperationKind, OperationStatus, StepName, StepState
from deployments.logs import oplog
from deployments.models import Operation, Revision, Service, Step
from workspaces.events import event_record

_BRING_UP = (
    StepName.QUEUED,
    StepName.COPY_MODEL,
    StepName.PREPARE_ENVIRONMENT,
    StepName.BUILD_IMAGE,
    StepName.START,
    StepName.HEALTH_CHECK,
    StepName.SMOKE_TEST,
    StepName.READY,
)
BACKGROUND = {  # belong to no service; deployments.control.background drives them
    OperationKind.PREFLIGHT: (
        StepName.QUEUED,
        StepName.COPY_MODEL,
        StepName.PREPARE_ENVIRONMENT,
        StepName.TRY_MODEL,
    ),
    OperationKind.PROFILE: (
        StepName.QUEUED,
        StepName.COPY_MODEL,
        StepName.PREPARE_ENVIRONMENT,
        StepName.MEASURE,
    ),
    OperationKind.BUILD: (StepName.QUEUED, StepName.PREPARE_ENVIRONMENT),
}
_SUBJECT_TYPES = {OperationKind.BUILD: "environment"}
_TAKE_DOWN = {
    OperationKind.STOP: (StepName.QUEUED, StepName.STOP),
    OperationKind.DELETE: (StepName.QUEUED, StepName.STOP, StepName.CLEAN_UP),
}
EARLY_LIMIT = timedelta(minutes=30)  # of each step before Start, the wait for its worker included
_ENDED = (StepState.SUCCEEDED, StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED)


def plan(kind: OperationKind, *, builds_image: bool) -> list[StepName]:
    """The steps of an operation of this kind, in order."""
    if kind in BACKGROUND:
        return list(BACKGROUND[kind])
    steps = list(_TAKE_DOWN.get(kind, _BRING_UP))
    if not builds_image and StepName.BUILD_IMAGE in steps:
        steps.remove(StepName.BUILD_IMAGE)
    return steps


def operation_open(
    *,
    kind: OperationKind,
    service: Service,
    revision: Revision | None,
    builds_image: bool,
    user: User | None,
) -> Operation:
    """Make an operation with its steps, inside the caller's transaction.

    Raises:
        IntegrityError: the service has an open operation already.
    """
    operation = Operation.objects.create(
        kind=kind,
        service=service,
        service_name=service.name,
        revision=revision,
        generation=service.generation,
        requested_by=user,
    )
    steps_make(operation, plan(kind, builds_image=builds_image))
    operation_event(operation, kind, user=user)
    return operation


def steps_make(operation: Operation, names: Iterable[StepName]) -> None:
    """Give a new operation its steps, in order."""
    Step.objects.bulk_create(
        Step(operation=operation, position=position, name=name)
        for position, name in enumerate(names)
    )


def operation_event(
    operation: Operation,
    word: str,
    *,
    user: User | None = None,
    level: str = "info",
    text: str = "",
) -> None:
    """Record what became of an operation. `word`: its kind, its end or "cancel"."""
    kind = OperationKind(operation.kind)
    is_service = bool(operation.service_name)
    event_record(
        kind=f"operation.{word}",
        subject_type="service" if is_service else _SUBJECT_TYPES.get(kind, "model"),
        subject=operation.about,
        level=level,
        message=text or f"{kind.label} {operation.about}",
        actor=user,
        data={"operation": str(operation.pk), "kind": operation.kind},
    )


def current_step(operation: Operation) -> Step | None:
    """The first step that has not ended; None when all have."""
    return operation.steps.exclude(state__in=_ENDED).order_by("position").first()


def step_start(step: Step) -> bool:
    """Pending to running; False when somebody else was first."""
    now = timezone.now()
    return bool(
        Step.objects.filter(pk=step.pk, state=StepState.PENDING).update(
            state=StepState.RUNNING, started_at=now, heartbeat_at=now
        )
    )


def step_end(step: Step, state: StepState, message: str = "") -> bool:
    """End a step that has not ended yet; keeps the first start."""
    now = timezone.now()
    Step.objects.filter(pk=step.pk, started_at=None).update(started_at=now)
    return bool(
        Step.objects.filter(pk=step.pk)
        .exclude(state__in=_ENDED)
        .update(state=state, ended_at=now, message=message[:4000], claim="")
    )


def step_requeue(step: Step, message: str) -> None:
    """A long step whose worker died goes back to pending; its log is kept and says so."""
    changed = Step.objects.filter(pk=step.pk, state=StepState.RUNNING, claim=step.claim).update(
        state=StepState.PENDING, claim="", message=message
    )
    if changed:
        oplog.writer(step)(message)


def deadline_start(operation: Operation) -> None:
    """The clock of TimedOut starts when the environment is ready; a second call changes nothing."""
    deadline = timezone.now() + timedelta(seconds=settings.SLIPWAY.deploy_timeout_s)
    Operation.objects.filter(pk=operation.pk, deadline=None).update(deadline=deadline)


def overdue(operation: Operation, said: str = "") -> str:
    """Why an open operation has had all the time it may take; "" as long as it has not.

    A stop and a delete have SLIPWAY_DEPLOY_TIMEOUT from the request on, everything else from
    Start on and `EARLY_LIMIT` for each step before.

    Args:
        said: what the target last said, for the person who reads why.
    """
    now = timezone.now()
    limit = settings.SLIPWAY.deploy_timeout_s
    if operation.kind in _TAKE_DOWN:
        if now - operation.created_at < timedelta(seconds=limit):
            return ""
        text = _("Not stopped within %(seconds)s s; Slipway goes on trying.")
        return f"{text % {'seconds': limit}} {said}".strip()
    if operation.deadline is not None:
        text = _("Not ready within %(seconds)s s after the environment was ready.")
        return text % {"seconds": limit} if operation.deadline <= now else ""
    since = operation.steps.aggregate(at=Max("ended_at"))["at"] or operation.created_at
    step = current_step(operation)
    if step is None or now - since < EARLY_LIMIT:
        return ""
    values = {"step": StepName(step.name).label, "minutes": EARLY_LIMIT // timedelta(minutes=1)}
    text = _("“%(step)s” did not end within %(minutes)s minutes.") % values
    return f"{text} {step.message or said}".strip()


def operation_end(operation: Operation, status: OperationStatus, error: str = "") -> bool:
    """Running to a final status, with every open step ended; False when it had ended already."""
    with transaction.atomic():
        changed = Operation.objects.filter(pk=operation.pk, status=OperationStatus.RUNNING).update(
            status=status, error=error[:4000], ended_at=timezone.now()
        )
        if not changed:
            return False
        _end_steps(operation, status, error)
        level = "info" if status == OperationStatus.SUCCEEDED else "warning"
        operation_event(operation, status.lower(), level=level, text=error)
    operation.refresh_from_db()
    return True


def _end_steps(operation: Operation, status: OperationStatus, error: str) -> None:
    if status == OperationStatus.SUCCEEDED:
        return
    step = current_step(operation)
    if step is not None:
        cancelled = status == OperationStatus.CANCELLED
        step_end(step, StepState.CANCELLED if cancelled else StepState.FAILED, error)
    for rest in operation.steps.exclude(state__in=_ENDED):
        Step.objects.filter(pk=rest.pk).update(state=StepState.SKIPPED)
