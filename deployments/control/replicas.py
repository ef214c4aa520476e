"""Replicas of a service on its target: converge, probe, promote, take down."""

from __future__ import annotations

import logging

import httpx
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.choices import StepName
from deployments.configuring import configuration
from deployments.control import ports, routes
from deployments.control.instances import (
    instance_name,
    instance_spec,
    is_prepared,
    replica_folder,
)
from deployments.control.state import Probe
from deployments.drivers.base import (
    EXIT_KILLED,
    Driver,
    InstanceSpec,
    NoCapacity,
    Observation,
    Phase,
    PortTaken,
    TargetUnreachable,
)
from deployments.logs.kept_logs import log_chunks, log_keep
from deployments.models import Operation, Port, Revision, Service
from deployments.pages.progress import begin, fail_open, finish
from serving.contract import EXIT_PORT_TAKEN, HEALTH_PATH

logger = logging.getLogger(__name__)

PROBE_TIMEOUT = 2.0  # seconds
LOG_TAIL = 16_384  # bytes of the instance's log shown with a failure


def observe(service: Service, revision: Revision, driver: Driver) -> Observation:
    """The revision's instance on its target now. Raises TargetUnreachable."""
    name = instance_name(service.name, revision.number)
    return driver.observe(name, replica_folder(service.name, revision.number))


def leftover_revisions(service: Service, keep: tuple[int | None, ...]) -> list[Revision]:
    """Revisions that may have an instance (they hold a port) and shall have none."""
    rows = Port.objects.filter(revision__service=service).select_related("revision")
    return [row.revision for row in rows if row.revision_id not in keep]


def converge(
    service: Service, operation: Operation | None, revision: Revision, driver: Driver
) -> tuple[Observation, str, Probe]:
    """Bring the wanted revision up and move the operation's own steps along.

    Returns:
        the observation, the digest that is wanted, and the readiness probe.
    Raises:
        DriverError: of any kind; without room it is observed as that, mostly.
    """
    try:
        spec = instance_spec(service, revision)
    except NoCapacity as error:
        return Observation(Phase.NO_CAPACITY, message=str(error)), "", Probe()
    started = operation is not None and _has_started(operation, spec)
    seen = driver.observe(spec.name, spec.folder)
    if _crashed(seen, spec) and _release_taken_port(seen, spec, revision):
        return Observation(Phase.PENDING), "", Probe()
    if started and operation is not None and _crashed(seen, spec):
        fail_open(operation, _cause(seen), _log_tail(driver, spec))
        return seen, spec.digest, Probe()
    if seen.phase != Phase.ABSENT and seen.digest != spec.digest:
        log_keep(driver, spec.name, spec.folder)  # it is replaced
    if _must_apply(seen, spec):
        seen = _apply(driver, spec, revision)
    _keep_auth(service, driver, spec, seen)
    probe = _probe(seen, spec, service.probe_failures)
    if operation is not None:
        _advance(service, operation, revision, seen, spec, probe)
    elif probe.ok and service.active_id is None:
        _promote(service, revision)  # came up after its operation had timed out
    return seen, spec.digest, probe


def _release_taken_port(seen: Observation, spec: InstanceSpec, revision: Revision) -> bool:
    return seen.exit_code == EXIT_PORT_TAKEN and _give_up_port(spec, revision)


def _give_up_port(spec: InstanceSpec, revision: Revision) -> bool:
    """Give up a port that another program holds, unless a person asked for that very port."""
    if spec.port == configuration.from_dict(revision.deployment).port:
        return False
    ports.port_release(revision)
    return True


def _has_started(operation: Operation, spec: InstanceSpec) -> bool:
    """True when Start was begun in an earlier step of reconcile, so that an exit is a crash."""
    step = operation.steps.filter(name=StepName.START).first()
    if step is not None and step.started_at is None:
        begin(operation, StepName.START, f"Starting {spec.name} on port {spec.port}")
        return False
    return True


def _crashed(seen: Observation, spec: InstanceSpec) -> bool:
    """It ended by its own doing; what was killed from outside is just started again."""
    killed = seen.exit_code == EXIT_KILLED and not seen.out_of_memory
    return seen.phase == Phase.EXITED and seen.digest == spec.digest and not killed


def _must_apply(seen: Observation, spec: InstanceSpec) -> bool:
    return seen.phase != Phase.RUNNING or seen.digest != spec.digest


def _apply(driver: Driver, spec: InstanceSpec, revision: Revision) -> Observation:
    try:
        driver.apply(spec)
    except PortTaken as error:
        if _give_up_port(spec, revision):
            return Observation(Phase.PENDING)
        return Observation(Phase.NO_CAPACITY, message=str(error))
    except NoCapacity as error:
        return Observation(Phase.NO_CAPACITY, message=str(error))
    return driver.observe(spec.name, spec.folder)


def _keep_auth(service: Service, driver: Driver, spec: InstanceSpec, seen: Observation) -> None:
    if seen.phase == Phase.RUNNING and seen.auth_version not in {0, service.keys_version}:
        driver.put_auth(spec.name, spec.folder, spec.auth)


def _probe(seen: Observation, spec: InstanceSpec, failures: int) -> Probe:
    """Ask the instance whether it is ready; only an instance of the wanted digest is asked."""
    if seen.phase != Phase.RUNNING or seen.digest != spec.digest:
        return Probe(None)
    if seen.ready is not None:
        return Probe(seen.ready, 0 if seen.ready else failures + 1, seen.message)
    try:
        answer = httpx.get(
            seen.endpoint + HEALTH_PATH,
            headers={"accept": "application/json"},
            timeout=PROBE_TIMEOUT,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        detail = seen.message or str(error) or type(error).__name__
        return Probe(False, failures + 1, _("No answer: %(detail)s") % {"detail": detail})
    if answer.status_code == 200:
        return Probe(True)
    return Probe(False, failures + 1, seen.message or f"{HEALTH_PATH}: {answer.status_code}")


def _advance(
    service: Service,
    operation: Operation,
    revision: Revision,
    seen: Observation,
    spec: InstanceSpec,
    probe: Probe,
) -> None:
    if seen.phase == Phase.RUNNING and seen.digest == spec.digest:
        if step := begin(operation, StepName.START):
            finish(step)
        begin(operation, StepName.HEALTH_CHECK, f"Asking {seen.endpoint}{HEALTH_PATH}")
    if probe.ok:
        if step := begin(operation, StepName.HEALTH_CHECK):
            finish(step)
        if step := begin(operation, StepName.READY):
            _promote(service, revision)
            finish(step)


def _promote(service: Service, revision: Revision) -> None:
    """The revision passed: the gateway routes to it from now on."""
    with transaction.atomic():
        Service.objects.filter(
            pk=service.pk, generation=service.generation, wanted=revision
        ).update(active=revision, next_check_at=timezone.now())
    service.active = revision
    routes.publish()


def _cause(seen: Observation) -> str:
    if seen.out_of_memory:
        return _("The model needs more memory than it was given: %(message)s") % {
            "message": seen.message
        }
    return _("The service ended while starting: %(message)s") % {
        "message": seen.message or f"exit code {seen.exit_code}"
    }


def _log_tail(driver: Driver, spec: InstanceSpec) -> str:
    try:
        text = ""
        for chunk, _position in log_chunks(driver, spec.name, spec.folder):
            text = (text + chunk)[-LOG_TAIL:]
    except TargetUnreachable as error:
        return str(error)
    return text


def keep_alive(service: Service, driver: Driver) -> None:
    """During an update, bring back an old revision that crashed and tell it new keys: it serves.

    Raises:
        DriverError.
    """
    active = service.active
    if active is None or active.pk == service.wanted_id:
        return
    if not is_prepared(active, builds_image=driver.builds_image):
        return
    spec = instance_spec(service, active)
    seen = driver.observe(spec.name, spec.folder)
    if seen.phase in {Phase.ABSENT, Phase.EXITED}:
        _apply(driver, spec, active)
    _keep_auth(service, driver, spec, seen)


def take_down(service: Service, revision: Revision, driver: Driver) -> bool:
    """Ask the revision's instance to end; True once it is gone and its port is free.

    The log of an instance that leaves nothing behind is kept in its replica folder first.
    """
    name = instance_name(service.name, revision.number)
    folder = replica_folder(service.name, revision.number)
    log_keep(driver, name, folder)
    if not driver.remove(name, folder):
        return False
    ports.port_release(revision)
    return True
