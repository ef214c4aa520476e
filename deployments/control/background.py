"""Work that belongs to no service: pre-flight, profile, building an environment ahead.

An operation like any other: steps with logs, heartbeats, cancel, and an end in every case. What
was asked is in `asked`, what was found in `found`; nothing is reconciled afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deployments.choices import OperationKind, OperationStatus, StepName, StepState
from deployments.control.operations import (
    BACKGROUND,
    current_step,
    operation_end,
    operation_event,
    overdue,
    step_end,
    steps_make,
)
from deployments.control.wake import wake
from deployments.models import Operation
from deployments.pages.progress import ensure_worker
from workspaces.errors import Conflict


def background_open(
    *, kind: OperationKind, subject: str, asked: Mapping[str, Any], user: User | None
) -> Operation:
    """Ask the `steps` workers of this node for one piece of work.

    Args:
        subject: what it is about, at most 600 characters; one open operation of a kind for each.
        asked: JSON-able; what the steps read.
    Returns:
        the new operation, or the open one that was asked the very same.
    Raises:
        Conflict: another one of this kind is open for the subject.
    """
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                kind=kind,
                subject=subject,
                node=settings.DATA.node_id,
                asked=dict(asked),
                generation=0,
                requested_by=user,
            )
            steps_make(operation, BACKGROUND[kind])
            operation_event(operation, kind, user=user)
    except IntegrityError:
        return _open_already(kind, subject, asked)
    wake()
    return operation


def _open_already(kind: OperationKind, subject: str, asked: Mapping[str, Any]) -> Operation:
    rows = Operation.objects.filter(kind=kind, subject=subject, status=OperationStatus.RUNNING)
    operation = rows.first()
    if operation is not None and operation.asked == dict(asked):
        return operation
    text = _("%(kind)s of %(subject)s is going on already; wait for it or cancel it.")
    raise Conflict(text % {"kind": kind.label, "subject": subject}, code="open")


def background_again(operation: Operation, *, user: User | None) -> Operation:
    """Ask the same once more. Raises: Conflict, as `background_open`."""
    return background_open(
        kind=OperationKind(operation.kind),
        subject=operation.subject,
        asked=operation.asked,
        user=user,
    )


def advance_all() -> None:
    """Move every open piece of work of this node on; one query when there is none."""
    rows = Operation.objects.filter(
        status=OperationStatus.RUNNING, service=None, node=settings.DATA.node_id
    ).exclude(subject="")
    for operation in rows:
        _advance(operation)


def _advance(operation: Operation) -> None:
    if operation.cancel_requested_at is not None:
        operation_end(operation, OperationStatus.CANCELLED)
        return
    if error := overdue(operation):
        operation_end(operation, OperationStatus.TIMED_OUT, error)
        return
    step = current_step(operation)
    if step is not None and step.name == StepName.QUEUED:
        step_end(step, StepState.SUCCEEDED)
        step = current_step(operation)
    if step is None:
        operation_end(operation, OperationStatus.SUCCEEDED)
    else:
        ensure_worker(operation, step)


def found_keep(operation: Operation, **values: Any) -> None:
    """Add what a step found out to the operation."""
    with transaction.atomic():
        row = Operation.objects.select_for_update().get(pk=operation.pk)
        row.found = {**row.found, **values}
        row.save(update_fields=["found"])
    operation.found = row.found
