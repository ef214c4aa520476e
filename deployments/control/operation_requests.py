"""What people ask of an operation: cancel it, or try it again."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.changes import change
from deployments.choices import Desired, OperationKind, OperationStatus
from deployments.control.background import background_again
from deployments.control.operations import operation_event
from deployments.control.wake import wake
from deployments.models import Operation, Revision, Service
from workspaces.errors import Conflict, NotFound


def operation_cancel(*, operation: Operation, user: User | None) -> Operation:
    """Ask an open operation to end. A first deploy leaves Stopped, an update the old revision.

    Raises:
        Conflict: it has ended, or it stops or deletes (those cannot be undone half-way).
    """
    if not operation.is_open:
        raise Conflict(_("The operation has ended already."))
    if operation.kind in {OperationKind.STOP, OperationKind.DELETE}:
        raise Conflict(_("Stopping and deleting cannot be cancelled."))
    now = timezone.now()
    Operation.objects.filter(pk=operation.pk, status=OperationStatus.RUNNING).update(
        cancel_requested_at=now
    )
    Service.objects.filter(operations=operation).update(next_check_at=now)
    text = f"Cancel {operation.kind} {operation.about}"
    operation_event(operation, "cancel", user=user, text=text)
    wake()
    operation.refresh_from_db()
    return operation


def operation_retry(*, operation: Operation, user: User | None) -> Operation:
    """Try again what failed, timed out or was cancelled, as a new operation.

    Raises:
        Conflict: it succeeded or is open, or something newer was done to the service since.
        NotFound: the service is gone.
    """
    if operation.status in {OperationStatus.RUNNING, OperationStatus.SUCCEEDED}:
        raise Conflict(_("Only an operation that did not succeed can be tried again."))
    if operation.subject:
        return background_again(operation, user=user)
    service = operation.service
    if service is None:
        raise NotFound(_("The service of this operation does not exist any more."))
    if operation.generation != service.generation:
        raise Conflict(_("The service was changed since; this operation is out of date."))
    revision = operation.revision

    def again(_row: Service) -> Revision | None:
        return revision

    kind = OperationKind(operation.kind)
    desired = {OperationKind.STOP: Desired.STOPPED, OperationKind.DELETE: Desired.DELETED}
    return change(
        service, kind, desired.get(kind, Desired.RUNNING), user, revise=again if revision else None
    )
