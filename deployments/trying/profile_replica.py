"""A replica for measuring, as a service of this version would have: started, watched, ended.

It lives below `services/` under a name that no service can have, so that `down` stops it with the
others and the orphan sweep does not take it for one. Its folder is named after its operation:
whoever takes the step over, and the sweep, find and end what a killed worker left.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import random
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from django.conf import settings
from django.utils.translation import gettext as _

from deployments.building.processes import Cancelled
from deployments.choices import OperationStatus
from deployments.control import ports
from deployments.control.step_handlers import StepFailed
from deployments.drivers.base import (
    Driver,
    InstanceSpec,
    NoCapacity,
    Observation,
    Phase,
    PortTaken,
    TargetUnreachable,
)
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_client import translated
from deployments.guarded import file_read
from deployments.models import Operation, Port
from deployments.trying.drafts import Draft
from serving.contract import EXIT_PORT_TAKEN, HEALTH_PATH, RECORD_FILE, AuthDocument

logger = logging.getLogger(__name__)

PLACE = "_profile"  # below services/; a service's name starts with a letter
START_SECONDS = 300.0  # to load the model
END_SECONDS = 25.0  # a driver drains for 10 s and kills then
TICK = 0.1
ATTEMPTS = 5  # with another port each
MB = 2**20


@dataclass(frozen=True)
class Usage:
    """CPU seconds used since it started, and MB of memory now; None where nobody can say."""

    cpu_seconds: float | None
    memory_mb: float | None
    at: float  # time.monotonic()


@dataclass(frozen=True)
class Replica:
    """A replica that is ready."""

    driver: Driver
    spec: InstanceSpec
    endpoint: str
    key: str

    def usage(self) -> Usage:
        """What it used, as the target counts it. Raises nothing: a part may just be gone."""
        found: tuple[float | None, float | None] = (None, None)
        with contextlib.suppress(psutil.Error, TargetUnreachable, KeyError, OSError, ValueError):
            if isinstance(self.driver, DockerDriver):
                found = _container_usage(self.driver, self.spec.name)
            else:
                found = _process_usage(self.spec.folder / RECORD_FILE)
        return Usage(*found, at=time.monotonic())


@contextlib.contextmanager
def replica(draft: Draft) -> Iterator[Replica]:
    """Start a replica of the draft; it is gone, with its folder, when the context ends.

    Raises:
        StepFailed: it did not come up, with its last words. DriverError. processes.Cancelled.
    """
    name, folder = name_of(draft.operation.pk), folder_of(draft.operation.pk)
    end(draft.driver, name, folder)
    try:
        yield _start(draft, name, folder)
    finally:
        end(draft.driver, name, folder)


def name_of(operation_id: UUID) -> str:
    """A name that `instances.parse_instance_name` refuses."""
    return f"profile-p{operation_id.hex}-0"


def folder_of(operation_id: UUID) -> Path:
    folder: Path = settings.DATA.services / PLACE / f"p{operation_id.hex}" / "0"
    return folder


def end(driver: Driver, name: str, folder: Path) -> bool:
    """End a replica and remove its folder; False when it takes longer than it may.

    Raises:
        TargetUnreachable.
    """
    deadline = time.monotonic() + END_SECONDS
    while not driver.remove(name, folder):
        if time.monotonic() > deadline:
            logger.error("%s does not end; the sweep tries again", name)
            return False
        time.sleep(TICK)
    shutil.rmtree(folder.parent, ignore_errors=True)
    return True


def end_leftovers(driver: Driver) -> None:
    """End the replicas of operations that have ended: their worker was killed meanwhile.

    Raises:
        TargetUnreachable.
    """
    here = set()
    if isinstance(driver, DockerDriver):
        here = {name.split("-")[1] for name in driver.names() if name.startswith("profile-p")}
    elif driver.kind == "local":
        here = {path.name for path in (settings.DATA.services / PLACE).glob("p*")}
    for part in here:
        try:
            operation_id = UUID(part[1:])
        except ValueError:
            continue
        rows = Operation.objects.filter(pk=operation_id, status=OperationStatus.RUNNING)
        if not rows.exists():
            logger.warning("ending what is left of the profile %s", operation_id)
            name, folder = name_of(operation_id), folder_of(operation_id)
            if driver.remove(name, folder):
                shutil.rmtree(folder.parent, ignore_errors=True)


def _start(draft: Draft, name: str, folder: Path) -> Replica:
    key = secrets.token_urlsafe(32)
    for _attempt in range(ATTEMPTS):
        spec = _spec(draft, name, folder, key)
        draft.log(f"Starting {name} on port {spec.port}")
        try:
            draft.driver.apply(spec)
        except PortTaken:
            continue
        except NoCapacity as error:
            raise StepFailed(str(error)) from error
        endpoint = _ready(draft, spec)
        if endpoint:
            return Replica(draft.driver, spec, endpoint, key)
        end(draft.driver, name, folder)
    raise StepFailed(_("No free port in SLIPWAY_PORT_RANGE; stop a service or widen the range."))


def _spec(draft: Draft, name: str, folder: Path, key: str) -> InstanceSpec:
    revision = draft.revision
    port = _free_port()
    config = draft.replica_config(port)
    config["digest"] = digest = hashlib.sha256(f"{name}{port}".encode()).hexdigest()[:24]
    return InstanceSpec(
        name=name,
        service="profile",
        revision=0,
        replica=0,
        digest=digest,
        port=port,
        config=config,
        auth=_auth(key),
        folder=folder,
        model_dir=draft.model_dir,
        environment_dir=settings.DATA.environments / revision.environment_hash,
        runtime_dir=settings.DATA.runtimes / revision.runtime,
        image=revision.image,
    )


def _auth(key: str) -> AuthDocument:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return {"version": 1, "enabled": True, "keys": [{"name": "studio", "sha256": digest}]}


def _free_port() -> int:
    """A port of the studio's range that nothing listens on and no service holds."""
    numbers = settings.SLIPWAY.port_range
    held = set(Port.objects.values_list("number", flat=True))
    for number in random.sample(numbers, min(ports.ATTEMPTS, len(numbers))):
        if number not in held and ports.is_free(number):
            return number
    raise StepFailed(_("No free port in SLIPWAY_PORT_RANGE; stop a service or widen the range."))


def _ready(draft: Draft, spec: InstanceSpec) -> str:
    """The endpoint once the model is loaded; "" when another program took its port.

    Raises:
        StepFailed, Cancelled, TargetUnreachable.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if draft.cancelled():
            raise Cancelled
        seen = draft.driver.observe(spec.name, spec.folder)
        if seen.phase == Phase.EXITED:
            if seen.exit_code == EXIT_PORT_TAKEN:
                return ""
            raise StepFailed(_cause(draft, spec, seen))
        if seen.phase == Phase.RUNNING and seen.endpoint and _answers(seen.endpoint):
            return seen.endpoint
        time.sleep(TICK)
    text = _("The model was not loaded within %(seconds)s s.")
    raise StepFailed(text % {"seconds": f"{START_SECONDS:g}"})


def _cause(draft: Draft, spec: InstanceSpec, seen: Observation) -> str:
    draft.log(draft.driver.logs(spec.name, spec.folder)[0][-4000:])
    if seen.out_of_memory:
        text = _("The model needs more memory than it was given: %(message)s")
        return text % {"message": seen.message}
    text = _("The replica ended while starting: %(message)s")
    return text % {"message": seen.message or f"exit code {seen.exit_code}"}


def _answers(endpoint: str) -> bool:
    try:
        answer = httpx.get(endpoint + HEALTH_PATH, timeout=2.0, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def _process_usage(record: Path) -> tuple[float | None, float | None]:
    pid = json.loads(file_read(record))["pid"]
    master = psutil.Process(int(pid))
    cpu = memory = 0.0
    for process in (master, *master.children(recursive=True)):
        times = process.cpu_times()
        cpu += times.user + times.system
        try:
            memory += process.memory_full_info().pss
        except (psutil.AccessDenied, AttributeError):
            memory += process.memory_info().rss
    return cpu, memory / MB


def _container_usage(driver: DockerDriver, name: str) -> tuple[float | None, float | None]:
    client: Any = driver.client
    with translated(driver.base_url):
        found = client.stats(driver.container_name(name), stream=False, one_shot=True)
    memory = found["memory_stats"]
    cached = memory.get("stats", {}).get("inactive_file", 0)
    return found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, (memory["usage"] - cached) / MB
