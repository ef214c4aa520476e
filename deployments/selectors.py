"""Reading services, operations and their logs."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Prefetch, QuerySet
from django.utils.translation import gettext as _

from deployments.choices import Desired
from deployments.control.instances import instance_name, replica_folder
from deployments.drivers.base import TargetUnreachable
from deployments.logs import oplog
from deployments.logs.kept_logs import KEPT_LOG, kept_until
from deployments.logs.oplog import LogChunk
from deployments.models import Operation, Service, Step, Target
from deployments.targets import driver_for
from serving.contract import GATEWAY_PREFIX, LOG_FILE
from workspaces.errors import NotFound

MAX_KEPT_OFFSET = 4 * KEPT_LOG  # bytes; positions in the log of a container are far beyond


def services_list() -> QuerySet[Service]:
    """Every service with its target and revisions, in one query."""
    return Service.objects.select_related("target", "wanted", "active", "created_by")


def service_get(name: str) -> Service:
    """Raises NotFound."""
    # PostgreSQL refuses to look for a NUL character, which an address can carry
    service = None if "\x00" in name else services_list().filter(name=name).first()
    if service is None:
        raise NotFound(_("There is no service named %(name)s.") % {"name": name})
    return service


def services_outliving() -> list[str]:
    """Services that go on running when the studio is stopped: "iris (docker)"."""
    running = Service.objects.filter(desired=Desired.RUNNING).exclude(target__kind="local")
    rows = running.order_by("name").values_list("name", "target__name")
    return [f"{name} ({target})" for name, target in rows]


def operations_list() -> QuerySet[Operation]:
    """Every operation, newest first, with its steps: three queries for any number."""
    return Operation.objects.select_related("service", "requested_by", "revision").prefetch_related(
        "steps"
    )


def operation_get(operation_id: UUID | str) -> Operation:
    """Raises NotFound, for a text that is no id as well."""
    try:
        key = operation_id if isinstance(operation_id, UUID) else UUID(str(operation_id))
    except ValueError:
        key = None
    operation = operations_list().filter(pk=key).first() if key else None
    if operation is None:
        raise NotFound(_("There is no such operation."))
    return operation


def latest_operation(service: Service) -> Operation | None:
    return operations_list().filter(service=service).first()


def targets_list() -> QuerySet[Target]:
    """Every target with the number of its services as `service_count`; no service is loaded."""
    return Target.objects.annotate(service_count=Count("services")).order_by("name")


def targets_with_names() -> QuerySet[Target]:
    """Every target with the names of its services, and nothing else of them: two queries."""
    names = Service.objects.only("name", "target_id").order_by("name")
    return Target.objects.prefetch_related(Prefetch("services", names)).order_by("name")


def target_get(name: str) -> Target:
    """Raises NotFound."""
    target = None if "\x00" in name else Target.objects.filter(name=name).first()
    if target is None:
        raise NotFound(_("There is no compute target named %(name)s.") % {"name": name})
    return target


def operation_log(operation: Operation, offset: int) -> LogChunk:
    return oplog.read_operation(operation, offset)


def step_log(step: Step, offset: int) -> LogChunk:
    return oplog.read_step(step, offset)


def service_log(service: Service, offset: int) -> LogChunk:
    """Log of the revision that serves or shall serve; kept after its instance is gone."""
    revision = service.wanted or service.active or service.revisions.first()
    if revision is None:
        return LogChunk("", 0, complete=True)
    folder = replica_folder(service.name, revision.number)
    name = instance_name(service.name, revision.number)
    driver, since = driver_for(service.target), offset
    if driver.builds_image and offset <= MAX_KEPT_OFFSET:  # former lives first, then this one
        kept = oplog.read(folder / LOG_FILE, offset, complete=False)
        if kept.text:
            return kept
        since = kept_until(folder)
    try:
        text, following = driver.logs(name, folder, since=since)
    except TargetUnreachable as error:
        return LogChunk(f"{error}\n" if offset == 0 else "", offset, complete=True)
    if driver.builds_image and not text and following == since:
        return oplog.read(folder / LOG_FILE, offset, complete=False)
    return LogChunk(text, following, complete=False)


def gateway_base(host: str = "") -> str:
    """Base URI of the gateway as a client reaches it; scoring URIs are computed, never stored.

    Args:
        host: `Host` of the request, with or without port; settings decide when empty.
    """
    if settings.SLIPWAY.gateway_public_url:
        return str(settings.SLIPWAY.gateway_public_url)
    name = urlsplit(f"//{host}").hostname if host else None
    name = name or settings.SLIPWAY.host
    if ":" in name:
        name = f"[{name}]"
    scheme = "https" if settings.SLIPWAY.gateway_tls else "http"
    return f"{scheme}://{name}:{settings.SLIPWAY.gateway_port}"


def scoring_uri(service: Service, host: str = "") -> str:
    return f"{gateway_base(host)}{GATEWAY_PREFIX}{service.name}/score"


def swagger_uri(service: Service, host: str = "") -> str:
    return f"{gateway_base(host)}{GATEWAY_PREFIX}{service.name}/swagger.json"
