"""One change of a service: a new generation and the operation that carries it out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import quotas
from deployments.choices import Desired, OperationKind, OperationStatus
from deployments.configuring.configuration import from_dict
from deployments.control import routes
from deployments.control.operations import operation_end, operation_open
from deployments.control.wake import wake
from deployments.models import Operation, Revision, Service
from deployments.targets import builds_image
from workspaces.errors import Conflict, NotFound


def change(
    service: Service,
    kind: OperationKind,
    desired: Desired,
    user: User | None,
    *,
    cancel: bool = False,
    details: Mapping[str, Any] | None = None,
    revise: Callable[[Service], Revision | None] | None = None,
) -> Operation:
    """One change a person makes: a new generation and the operation that carries it out.

    Raises:
        Conflict: the service is being deleted, another operation is open, or the quota of its
            target has no room for what it asks. NotFound: it is gone.
    """
    try:
        with transaction.atomic():
            if desired == Desired.RUNNING:
                quotas.lock(service.target_id)
            row = Service.objects.select_related("target").get(pk=service.pk)
            if row.desired == Desired.DELETED and desired != Desired.DELETED:
                raise Conflict(_("The service is being deleted."))
            if cancel:
                _cancel_open(row)
            revision = revise(row) if revise else row.wanted or row.revisions.first()
            if desired == Desired.RUNNING and revision is not None:
                quotas.quota_check(row.target, from_dict(revision.deployment), row)
            _generation_write(row, kind, desired, revision, details or {})
            operation = operation_open(
                kind=kind,
                service=row,
                revision=revision,
                builds_image=builds_image(row.target),
                user=user,
            )
    except Service.DoesNotExist:
        raise NotFound(_("There is no such service.")) from None
    except IntegrityError:
        raise Conflict(
            _("Another operation on this service is under way; wait for it or cancel it."),
            code="operation_open",
        ) from None
    routes.publish()
    wake()
    refresh(service)
    return operation


def _generation_write(
    row: Service,
    kind: OperationKind,
    desired: Desired,
    revision: Revision | None,
    details: Mapping[str, Any],
) -> None:
    """Write what is wanted of a service now, for reconcile to look at as soon as it can."""
    restart = F("generation") + 1 if kind == OperationKind.RESTART else F("restart_generation")
    Service.objects.filter(pk=row.pk).update(
        **details,
        desired=desired,
        generation=F("generation") + 1,
        wanted=revision,
        next_check_at=timezone.now(),
        probe_failures=0,
        updated_at=timezone.now(),
        restart_generation=restart,
    )
    row.refresh_from_db()


def refresh(service: Service) -> None:
    """Read the row anew, where it still is: a delete may be quick."""
    with contextlib.suppress(Service.DoesNotExist):
        service.refresh_from_db()


def _cancel_open(service: Service) -> None:
    for operation in service.operations.filter(status=OperationStatus.RUNNING):
        if operation.kind != OperationKind.DELETE:
            operation_end(operation, OperationStatus.CANCELLED, _("Replaced by a newer request."))
