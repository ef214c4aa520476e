"""The reconcile loop: one level-triggered step for one service.

Lease by compare-and-set, observe, act (idempotent), probe, derive, write by compare-and-set with
one Event per transition, set the next look. Nothing here depends on what an earlier step
remembers: everything is read from the database and the target each time.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.choices import Desired, OperationKind, OperationStatus, ServiceState
from deployments.control import routes
from deployments.control.instances import is_prepared
from deployments.control.operations import operation_end, overdue
from deployments.control.replicas import (
    converge,
    keep_alive,
    leftover_revisions,
    observe,
    take_down,
)
from deployments.control.state import Facts, Probe, Verdict, derive, next_check_seconds
from deployments.control.teardown import clean_up
from deployments.drivers.base import (
    Driver,
    DriverError,
    NoCapacity,
    Observation,
    Phase,
    TargetUnreachable,
)
from deployments.models import Operation, Service
from deployments.pages.progress import advance, fail_open
from deployments.targets import driver_for
from workspaces.events import event_record

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
ROUTE_WAIT_SECONDS = 3.0


@dataclass
class Look:
    """What one step found out."""

    seen: Observation | None = None
    probe: Probe = field(default_factory=Probe)
    digest: str = ""
    leftovers: bool = False
    unreachable: str = ""
    waiting: bool = False  # a worker of the steps queue is at work


def due(limit: int = 100) -> list[int]:
    """Services of this node whose time has come and that nobody holds, longest waiting first.

    One query.
    """
    now = timezone.now()
    rows = Service.objects.filter(
        target__node=settings.DATA.node_id, next_check_at__lte=now, lease_until__lte=now
    )
    return list(rows.order_by("next_check_at").values_list("pk", flat=True)[:limit])


def leases_release(holder: str) -> None:
    """Free what an earlier `holder` of this name held: it was killed in the middle of a step.

    The caller holds the name's lock, so nobody else works under that name now.
    """
    node = settings.DATA.node_id
    left = Service.objects.filter(lease__startswith=f"{holder}:", target__node=node)
    if left.exists():
        left.update(lease="", lease_until=timezone.now())


def step(service_id: int, holder: str = "") -> bool:
    """One reconcile step; False when another process holds the service or it is gone.

    `holder` names who steps, at most 15 characters; see `leases_release`.
    """
    lease = f"{holder}:{secrets.token_hex(8)}"
    now = timezone.now()
    taken = Service.objects.filter(pk=service_id, lease_until__lte=now).update(
        lease=lease, lease_until=now + timedelta(seconds=LEASE_SECONDS)
    )
    if not taken:
        return False
    try:
        service = Service.objects.select_related("target", "wanted", "active").get(pk=service_id)
        if service.target.node != settings.DATA.node_id:
            _look_again(service, 3600.0)
        else:
            _step(service, lease)
    except Exception:
        # never crash-loop on one row: look again later, the log says why
        logger.exception("reconcile of service %s", service_id)
        Service.objects.filter(pk=service_id).update(
            next_check_at=timezone.now() + timedelta(seconds=15)
        )
    finally:
        Service.objects.filter(pk=service_id, lease=lease).update(
            lease="", lease_until=timezone.now()
        )
    return True


def _step(service: Service, lease: str) -> None:
    operation = _open_operation(service)
    if _settle(service, operation):
        return  # what is wanted has changed: look anew at once
    driver = driver_for(service.target)
    look = Look()
    try:
        if service.desired == Desired.RUNNING:
            _bring_up(service, operation, driver, look)
        else:
            _take_down(service, operation, driver, look)
    except DriverError as error:  # whatever it is: the person reads why nothing moves
        look.seen, look.unreachable = None, str(error)
    now = Service.objects.select_related("target", "wanted", "active").filter(pk=service.pk).first()
    if now is None:
        return
    # an operation that ended in this very step decides first what is wanted from now on
    if operation is not None and _settle(now, _open_operation(now)):
        return
    _write(service, lease, look)


def _open_operation(service: Service) -> Operation | None:
    return service.operations.filter(status=OperationStatus.RUNNING).first()


# --- what ended operations mean for the service -------------------------------------------------


def _settle(service: Service, operation: Operation | None) -> bool:
    """Draw the consequences of cancel, deadline and of an operation that ended; True if any."""
    if operation is not None and _ends(service, operation):
        return True
    if operation is not None or service.desired != Desired.RUNNING:
        return False
    last = service.operations.filter(generation=service.generation).first()
    if last is None or last.status == OperationStatus.SUCCEEDED:
        return False
    if last.status == OperationStatus.CANCELLED:
        return _settle_cancelled(service, last)
    return _settle_failed(service, last)


def _ends(service: Service, operation: Operation) -> bool:
    if operation.cancel_requested_at is not None:
        return operation_end(operation, OperationStatus.CANCELLED, _("Cancelled."))
    if message := overdue(operation, service.message):
        # before Start nothing of the revision is on the target that could still come up
        lost = operation.deadline is not None and service.reason == "TargetUnreachable"
        Operation.objects.filter(pk=operation.pk).update(target_lost=lost)
        return operation_end(operation, OperationStatus.TIMED_OUT, message)
    return False


def _same_wish(service: Service) -> Q:
    """The row as we read it: a person's change since then wins."""
    return Q(pk=service.pk, generation=service.generation, wanted=service.wanted_id)


def _settle_cancelled(service: Service, last: Operation) -> bool:
    if service.active_id is None:
        return _change(service, desired=Desired.STOPPED)
    if service.active_id != service.wanted_id:
        return _change(service, wanted=service.active_id)
    return False


def _settle_failed(service: Service, last: Operation) -> bool:
    if last.revision_id != service.wanted_id:
        return False  # fell back to the old one already
    if service.active_id is not None and service.active_id != service.wanted_id:
        return _change(service, wanted=service.active_id)
    if last.target_lost:
        return False  # not the revision's fault: it may still come up
    if service.failed_generation != service.generation:
        return _change(service, failed_generation=service.generation, active=None)
    return False


def _change(service: Service, **values: object) -> bool:
    changed = Service.objects.filter(_same_wish(service)).update(
        **values, next_check_at=timezone.now()
    )
    routes.publish()
    return bool(changed)


# --- towards running ----------------------------------------------------------------------------


def _bring_up(service: Service, operation: Operation | None, driver: Driver, look: Look) -> None:
    wanted = service.wanted
    if wanted is None or service.failed_generation == service.generation:
        _remove_others(service, driver, look, keep=())
        look.seen = look.seen or Observation(Phase.ABSENT)
        return
    _keep_alive(service, driver)
    if operation is not None and not advance(operation, wanted):
        # a long step before Start is under way: only say whether the target answers
        look.waiting = True
        look.seen = observe(service, wanted, driver)
    elif is_prepared(wanted, builds_image=driver.builds_image):
        try:
            look.seen, look.digest, look.probe = converge(service, operation, wanted, driver)
        except TargetUnreachable:
            raise
        except NoCapacity as error:
            look.seen = Observation(Phase.NO_CAPACITY, message=str(error))
        except DriverError as error:
            _refused(service, operation, str(error))
            look.seen = Observation(Phase.EXITED, message=str(error))
    else:
        look.seen = Observation(Phase.ABSENT)
    _remove_others(service, driver, look, keep=(service.wanted_id, service.active_id))


def _keep_alive(service: Service, driver: Driver) -> None:
    """An old revision that cannot be brought back does not keep the new one from coming up."""
    try:
        keep_alive(service, driver)
    except TargetUnreachable:
        raise
    except DriverError as error:
        logger.warning("the old revision of %s stays down: %s", service.name, error)


def _refused(service: Service, operation: Operation | None, message: str) -> None:
    if operation is not None:
        fail_open(operation, message)
        return
    logger.error("service %s cannot run on its target: %s", service.name, message)


def _remove_others(
    service: Service,
    driver: Driver,
    look: Look,
    keep: tuple[int | None, ...],
    *,
    waited: bool = False,
) -> None:
    """End revisions that are neither wanted nor active, once the gateway stopped using them.

    Args:
        waited: the gateway had its time to, so it is not asked again.
    """
    others = leftover_revisions(service, keep)
    if not others or not (waited or routes.is_applied(routes.publish())):
        look.leftovers = bool(others)
        return
    gone = [take_down(service, revision, driver) for revision in others]
    look.leftovers = not all(gone)


# --- towards stopped or deleted -----------------------------------------------------------------


def _take_down(service: Service, operation: Operation | None, driver: Driver, look: Look) -> None:
    if operation is not None:
        advance(operation, service.wanted)
    if not _traffic_has_left(operation):
        look.leftovers = True
        look.seen = Observation(Phase.RUNNING)
        return
    _remove_others(service, driver, look, keep=(), waited=True)
    look.seen = Observation(Phase.RUNNING if look.leftovers else Phase.ABSENT)
    if look.leftovers:
        return
    Service.objects.filter(pk=service.pk, desired=service.desired).update(active=None)
    if service.desired == Desired.DELETED:
        clean_up(service, operation, driver)
    elif operation is not None:
        advance(operation, service.wanted, down=True)


def _traffic_has_left(operation: Operation | None) -> bool:
    """The gateway has taken routes without this service, or had its time to."""
    if routes.is_applied(routes.publish()) or operation is None:
        return True
    waited = (timezone.now() - operation.created_at).total_seconds()
    return waited > ROUTE_WAIT_SECONDS


# --- writing what was found ---------------------------------------------------------------------


def _facts(service: Service, look: Look) -> Facts:
    last = service.operations.filter(generation=service.generation).first()
    bad = last is not None and last.status in {OperationStatus.FAILED, OperationStatus.TIMED_OUT}
    error = last.error if last is not None and bad else ""
    notice = ""
    if last is not None and bad and last.kind == OperationKind.UPDATE:
        notice = _("Update failed, the old revision keeps serving: %(error)s") % {"error": error}
    return Facts(
        desired=Desired(service.desired),
        generation=service.generation,
        failed_generation=service.failed_generation,
        operation_open=last is not None and last.is_open,
        proven=service.wanted_id is not None and service.wanted_id == service.active_id,
        digest=look.digest,
        seen=look.seen,
        leftovers=look.leftovers,
        probe=look.probe,
        unreachable=look.unreachable,
        failure=error,
        notice=notice,
    )


def _write(service: Service, lease: str, look: Look) -> None:
    """Derive the state and write it, unless a person changed the service meanwhile."""
    before, checked_at = service.state, service.next_check_at
    service.refresh_from_db()
    facts = _facts(service, look)
    verdict = derive(facts)
    ready = verdict.state == ServiceState.HEALTHY
    failures = 0 if ready else service.probe_failures + 1
    now = timezone.now()
    values: dict[str, object] = {
        "state": verdict.state,
        "reason": verdict.reason,
        "message": verdict.message[:4000],
        "probe_failures": failures,
    }
    if ready:
        values["probed_at"] = now
    if verdict.state != before:
        values["state_since"] = now
    changed = Service.objects.filter(
        pk=service.pk, lease=lease, generation=service.generation
    ).update(**values)
    if changed and verdict.state != before:
        _record(service, before, verdict)
    if changed and (verdict.state != before or service.reason != verdict.reason):
        routes.publish()
    service.next_check_at = checked_at  # as this step found it: a wake-up since then wins
    _look_again(service, next_check_seconds(verdict, failures, waiting=look.waiting))


def _record(service: Service, before: str, verdict: Verdict) -> None:
    bad = verdict.state in {ServiceState.FAILED, ServiceState.UNHEALTHY}
    event_record(
        kind="service.state",
        subject_type="service",
        subject=service.name,
        level="warning" if bad else "info",
        message=f"{before} → {verdict.state}" + (f": {verdict.message}" if verdict.message else ""),
        data={"from": before, "to": verdict.state, "reason": verdict.reason},
    )


def _look_again(service: Service, seconds: float) -> None:
    """Set the next look, unless somebody asked for an earlier one meanwhile."""
    Service.objects.filter(pk=service.pk, next_check_at=service.next_check_at).update(
        next_check_at=timezone.now() + timedelta(seconds=seconds)
    )
