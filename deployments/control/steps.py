"""The long steps of an operation, run by workers of the `steps` queue.

A step is claimed by compare-and-set, says that it lives while it runs, works in `tmp/` and
publishes by rename. A worker that dies leaves a stale heartbeat; reconcile queues the step anew.
"""

from __future__ import annotations

import logging
import secrets
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.building.processes import Cancelled
from deployments.choices import LONG_STEPS, OperationStatus, StepState
from deployments.control.operations import (
    current_step,
    operation_end,
    step_end,
    step_requeue,
    step_start,
)
from deployments.control.step_handlers import StepFailed, Work, handler_of
from deployments.control.wake import wake
from deployments.drivers.base import DriverError, TargetUnreachable
from deployments.logs import oplog
from deployments.models import Operation, Service, Step
from workspaces.errors import Problem, Unavailable

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
STALE_SECONDS = 10.0


def run_steps(operation_id: str) -> None:
    """Run the operation's long steps, one after the other, until one is not ours to run."""
    while (work := _claim(operation_id)) is not None:
        with _heartbeat(work.step):
            ended = _run(work)
        if not ended:
            break
    Service.objects.filter(operations__pk=operation_id).update(next_check_at=timezone.now())
    wake()


def _claim(operation_id: str) -> Work | None:
    here = settings.DATA.node_id
    rows = Operation.objects.select_related("service__target", "revision").filter(
        pk=operation_id, status=OperationStatus.RUNNING, cancel_requested_at=None
    )
    of_a_service = Q(service__target__node=here, revision__isnull=False)
    operation = rows.filter(of_a_service | (Q(node=here) & ~Q(subject=""))).first()
    if operation is None:
        return None
    step = current_step(operation)
    if step is None or step.name not in LONG_STEPS or not step_start(step):
        return None
    claim = secrets.token_hex(8)
    Step.objects.filter(pk=step.pk).update(claim=claim)
    step.refresh_from_db()
    return Work(operation, step, oplog.writer(step), _cancel_check(step))


def _cancel_check(step: Step) -> Callable[[], bool]:
    """True once the operation ended, cancel was asked for, or another worker has the step."""

    def check() -> bool:
        return not Step.objects.filter(
            pk=step.pk,
            claim=step.claim,
            state=StepState.RUNNING,
            operation__status=OperationStatus.RUNNING,
            operation__cancel_requested_at=None,
        ).exists()

    return check


@contextmanager
def _heartbeat(step: Step) -> Iterator[None]:
    """Write the step's heartbeat every second from a thread of its own."""
    done = threading.Event()

    def beat() -> None:
        try:
            while not done.wait(HEARTBEAT_SECONDS):
                Step.objects.filter(pk=step.pk, claim=step.claim).update(
                    heartbeat_at=timezone.now()
                )
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name="step-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _run(work: Work) -> bool:
    """Run one claimed step; True when it succeeded and the next may follow."""
    try:
        message = handler_of(work)(work)
    except Cancelled:
        work.log(_("Cancelled."))
        return False
    except (TargetUnreachable, Unavailable) as error:
        _later(work, str(error))
        return False
    except (StepFailed, DriverError, Problem) as error:
        _fail(work, str(error))
        return False
    except Exception:
        logger.exception("step %s of %s", work.step.name, work.operation.pk)
        work.log(traceback.format_exc())
        _fail(work, _("Slipway itself failed in this step; the log has the details."))
        return False
    if work.cancelled():
        return False
    return step_end(work.step, StepState.SUCCEEDED, message)


def _later(work: Work, message: str) -> None:
    """An engine is away: the step waits, reconcile queues it again."""
    work.log(message)
    step_requeue(work.step, message)


def _fail(work: Work, message: str) -> None:
    work.log(message)
    if not work.cancelled():
        operation_end(work.operation, OperationStatus.FAILED, message)
