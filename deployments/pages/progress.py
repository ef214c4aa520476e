"""Progress of an open operation: which step is next and whose turn it is."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.choices import LONG_STEPS, OperationStatus, StepName, StepState
from deployments.control.operations import (
    current_step,
    deadline_start,
    operation_end,
    step_end,
    step_requeue,
    step_start,
)
from deployments.control.steps import STALE_SECONDS
from deployments.control.wake import wake_steps
from deployments.logs import oplog
from deployments.models import Operation, Revision, Step

RESEND_SECONDS = 5.0  # a lost message to the steps queue costs this much


def advance(operation: Operation, revision: Revision | None, *, down: bool = False) -> bool:
    """Move past steps that need no work, and see that long steps have a worker.

    Returns:
        True when reconcile may work on the instance now: the current step is one of its own, or
        the smoke test, during which the instance must stay up.
    """
    step = current_step(operation)
    while step is not None and step.name == StepName.QUEUED:
        step_end(step, StepState.SUCCEEDED)
        step = current_step(operation)
    if step is None:
        operation_end(operation, OperationStatus.SUCCEEDED)
        return True
    if step.name == StepName.STOP:
        step_start(step)
        if down:
            step_end(step, StepState.SUCCEEDED)
            return advance(operation, revision, down=True)
        return True
    if step.name not in LONG_STEPS:
        deadline_start(operation)
        return True
    ensure_worker(operation, step)
    return step.name == StepName.SMOKE_TEST


def ensure_worker(operation: Operation, step: Step) -> None:
    """Queue a pending long step; queue one again whose worker stopped saying that it lives."""
    now = timezone.now()
    if step.state == StepState.RUNNING:
        alive = step.heartbeat_at and now - step.heartbeat_at < timedelta(seconds=STALE_SECONDS)
        if alive:
            return
        step_requeue(step, _("The worker of this step died; the step starts again."))
    sent_before = now - timedelta(seconds=RESEND_SECONDS)
    first = Step.objects.filter(
        Q(heartbeat_at=None) | Q(heartbeat_at__lt=sent_before),
        pk=step.pk,
        state=StepState.PENDING,
    ).update(heartbeat_at=now)
    if first:
        wake_steps(str(operation.pk))


def begin(operation: Operation, name: StepName, line: str = "") -> Step | None:
    """Start the current step when it is `name`; None when it is another."""
    step = current_step(operation)
    if step is None or step.name != name:
        return None
    if step_start(step):
        step.refresh_from_db()
        if line:
            oplog.writer(step)(line)
    return step


def finish(step: Step, message: str = "") -> None:
    step_end(step, StepState.SUCCEEDED, message)


def fail_open(operation: Operation, message: str, tail: str = "") -> None:
    """Fail the operation in its current step, with the end of the instance's log in the step's."""
    step = current_step(operation)
    if step is not None:
        write = oplog.writer(step)
        if tail:
            write(tail)
        write(message)
    operation_end(operation, OperationStatus.FAILED, message)
