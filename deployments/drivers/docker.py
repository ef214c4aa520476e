"""Docker as a target: one container per replica, found again by its labels.

Isolation: no root, no capabilities, no new privileges, no mounts, real cgroup limits, no swap. The
root file system is not read-only, because Docker then refuses `put_archive`, our only way to hand
over keys without a mount; everything but the replica's and the home folder belongs to root.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deployments.drivers import docker_client, docker_files, docker_logs
from deployments.drivers.base import (
    ABSENT,
    Capacity,
    CheckReport,
    InstanceSpec,
    InvalidSpec,
    NoCapacity,
    Observation,
    TargetUnreachable,
)
from deployments.drivers.docker_client import translated
from deployments.drivers.docker_layout import (
    CPU_LABEL,
    DIGEST_LABEL,
    INNER_PORT,
    INSTANCE_LABEL,
    MEMORY_LABEL,
    NODE_LABEL,
    PORT_LABEL,
    REVISION_LABEL,
    SERVICE_LABEL,
    USER_ID,
    inner,
)
from deployments.drivers.docker_observation import Seen, observation
from serving.contract import RECORD_FILE, AuthDocument

if TYPE_CHECKING:
    from docker import APIClient

GRACE_SECONDS = 10.0  # what requests under way get before the container is killed
CHECK_TIMEOUT = 1.2  # seconds per question; check() asks four
PIDS_LIMIT = 1024  # processes and threads: a fork bomb ends here
LOG_OPTIONS = {"max-size": "10m", "max-file": "2"}


class DockerDriver:
    """A Docker engine reached by its socket or address.

    Args:
        base_url: of the engine; empty: DOCKER_HOST, else the usual socket.
        node: id of this studio's data folder; its containers carry it, others are never touched.
        base_image: what images are built on; `check` says when it must be fetched first.
        network: name of a Docker network that the studio's own container is on. Then containers
            join it, publish no port and are addressed by name.
        timeout: seconds that any one question to the engine may take.
    """

    kind = "docker"
    builds_image = True

    def __init__(
        self,
        base_url: str = "",
        node: str = "",
        base_image: str = "",
        network: str = "",
        timeout: float = 5.0,
    ) -> None:
        self.base_url, self.node, self.base_image = base_url, node, base_image
        self.network, self.timeout = network, timeout
        self._client: APIClient | None = None
        self._client_pid = 0

    # --- the verbs -------------------------------------------------------------------------------

    def check(self) -> CheckReport:
        """See `base.Driver.check`."""
        try:
            client = docker_client.connect(self.base_url, timeout=CHECK_TIMEOUT)
            with translated(self.base_url):
                info = client.info()
                problems, notes = self._shortcomings(client, info)
                capacity = self._capacity(client, info)
        except (TargetUnreachable, InvalidSpec, NoCapacity) as error:
            return CheckReport(problems=(str(error),))
        version = f"Docker {info.get('ServerVersion', '')}".strip()
        return CheckReport(tuple(problems), capacity, version, tuple(notes))

    def apply(self, spec: InstanceSpec) -> None:
        """See `base.Driver.apply`. Another digest, port or image replaces it, once it drained."""
        with translated(self.base_url):
            attrs = self._inspect(spec.name)
            if attrs is not None and not _same(attrs, spec):
                if attrs["State"]["Status"] == "running" and self._drains(attrs["Id"]):
                    return  # requests under way get their time; then it is applied again
                self.force_remove(attrs["Id"])
                attrs = None
            status = attrs["State"]["Status"] if attrs else ""
            if status in ("running", "restarting", "paused"):
                return
            if status == "removing":
                return  # observed as pending, so that it is applied again
            if attrs is not None and status == "dead":
                self.force_remove(attrs["Id"])
                attrs = None
            container = attrs["Id"] if attrs else self._create(spec)
            # Also into a container that exists: a crash may have left it without its files.
            docker_files.put_replica(self.client, container, inner(spec.config), spec.auth)
            self._start(container)

    def put_auth(self, name: str, folder: Path, auth: AuthDocument) -> None:
        """See `base.Driver.put_auth`."""
        with translated(self.base_url):
            attrs = self._inspect(name)
            if attrs is not None:
                docker_files.put_auth(self.client, attrs["Id"], auth)

    def observe(self, name: str, folder: Path) -> Observation:
        """See `base.Driver.observe`."""
        with translated(self.base_url):
            attrs = self._inspect(name)
            if attrs is None:
                return ABSENT
            container = attrs["Id"]
            return observation(
                Seen(
                    attrs=attrs,
                    endpoint=self._endpoint(attrs),
                    record=lambda: self._record(attrs),
                    last_line=lambda: docker_logs.last_line(self.client, container),
                    last_exit=lambda: self._last_exit(attrs),
                )
            )

    def remove(self, name: str, folder: Path) -> bool:
        """See `base.Driver.remove`. The stop file inside remembers when the end was asked for."""
        with translated(self.base_url):
            attrs = self._inspect(name)
            if attrs is None:
                return True
            container = attrs["Id"]
            if attrs["State"]["Status"] == "running" and self._drains(container):
                return False
            self.force_remove(container)
            return self._inspect(name) is None

    def logs(self, name: str, folder: Path, since: int = 0, limit: int = 65_536) -> tuple[str, int]:
        """See `base.Driver.logs`; the offset is a position in time (see docker_logs)."""
        with translated(self.base_url):
            attrs = self._inspect(name)
            if attrs is None:
                return "", since
            text, position = docker_logs.read(self.client, attrs["Id"], since, limit)
            error = attrs["State"].get("Error", "")
            if not text and not since and error:
                return f"{error}\n", 1  # it never ran: what Docker says is all there is
            return text, position

    def names(self) -> Iterator[str]:
        """See `base.Driver.names`."""
        with translated(self.base_url):
            found = self.client.containers(all=True, filters={"label": f"{NODE_LABEL}={self.node}"})
        for container in found:
            name = (container.get("Labels") or {}).get(INSTANCE_LABEL)
            if name:
                yield name

    # --- the engine ------------------------------------------------------------------------------

    @property
    def client(self) -> APIClient:
        """The client of this process: a forked worker must not share its parent's connections."""
        if self._client is None or self._client_pid != os.getpid():
            self._client = docker_client.connect(self.base_url, self.timeout)
            self._client_pid = os.getpid()
        return self._client

    def container_name(self, name: str) -> str:
        """Return the name that Docker knows an instance by."""
        node = re.sub(r"[^a-zA-Z0-9_.-]", "-", self.node) or "node"
        return f"slipway-{node}-{name}"

    def _inspect(self, name: str) -> dict[str, Any] | None:
        from docker.errors import NotFound

        try:
            found = self.client.inspect_container(self.container_name(name))
        except NotFound:
            return None
        return cast(dict[str, Any], found)

    def _create(self, spec: InstanceSpec) -> str:
        from docker.errors import APIError
        from docker.types import LogConfig

        memory = int(spec.config["memory_mb"]) * 2**20
        host_config = self.client.create_host_config(
            port_bindings=None if self.network else {INNER_PORT: ("127.0.0.1", spec.port)},
            network_mode=self.network or None,
            nano_cpus=int(spec.config["cpu"] * 1e9),
            mem_limit=memory,
            memswap_limit=memory,  # equal: no swap
            pids_limit=PIDS_LIMIT,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            restart_policy={"Name": "unless-stopped"},
            log_config=LogConfig(type=LogConfig.types.JSON, config=LOG_OPTIONS),
            init=True,  # reaps what a killed worker leaves behind
        )
        try:
            made = self.client.create_container(
                image=spec.image,
                name=self.container_name(spec.name),
                hostname=spec.name[:63],
                ports=[INNER_PORT],
                user=f"{USER_ID}:{USER_ID}",
                environment={"SLIPWAY_LOG": "stdout", "PYTHONUNBUFFERED": "1"},
                labels=self._labels(spec),
                host_config=host_config,
            )
        except APIError as error:
            if error.status_code == 409:  # another worker was faster; it is looked at again
                raise TargetUnreachable("This container is being made just now.") from error
            raise
        return str(made["Id"])

    def _labels(self, spec: InstanceSpec) -> dict[str, str]:
        return {
            **spec.labels,
            NODE_LABEL: self.node,
            INSTANCE_LABEL: spec.name,
            SERVICE_LABEL: spec.service,
            REVISION_LABEL: str(spec.revision),
            DIGEST_LABEL: spec.digest,
            PORT_LABEL: str(spec.port),
            CPU_LABEL: str(spec.config["cpu"]),
            MEMORY_LABEL: str(spec.config["memory_mb"]),
        }

    def _start(self, container: str) -> None:
        from docker.errors import APIError

        try:
            self.client.start(container)
        except APIError as error:
            text = str(error.explanation or error)
            # A program that is missing in the image is answered with 400 or 500, by version.
            if "OCI runtime create failed" in text or "failed to create task" in text:
                raise docker_client.api_error(400, text) from error
            raise

    def _drains(self, container: str) -> bool:
        """Ask a running container to end, once; return whether it may still take its time."""
        from docker.errors import APIError

        since = docker_files.stopping_since(self.client, container)
        if since is not None:
            return 0 <= time.time() - since < GRACE_SECONDS
        try:
            self.client.kill(container, signal="SIGTERM")  # no restart follows a kill by hand
        except APIError as error:
            if error.status_code != 409:
                raise
            return False  # it ended in between
        docker_files.put_stop(self.client, container)
        return True

    def force_remove(self, container: str) -> None:
        """Kill and remove a container; one that is gone or on its way is no error."""
        from docker.errors import APIError

        try:
            self.client.remove_container(container, force=True, v=True)
        except APIError as error:
            if error.status_code not in (404, 409):  # 409: its removal is already under way
                raise

    # --- facts -----------------------------------------------------------------------------------

    def _endpoint(self, attrs: dict[str, Any]) -> str:
        labels = attrs["Config"].get("Labels") or {}
        if self.network:
            return f"http://{attrs['Name'].lstrip('/')}:{INNER_PORT}"
        return f"http://127.0.0.1:{labels.get(PORT_LABEL, '')}"

    def _record(self, attrs: dict[str, Any]) -> dict[str, Any]:
        since = attrs["State"]["StartedAt"]
        found = docker_files.read_json(self.client, attrs["Id"], RECORD_FILE, newer_than=since)
        return found if isinstance(found, dict) else {}

    def _last_exit(self, attrs: dict[str, Any]) -> int | None:
        """Return the exit code of a container's former life, from the engine's event memory."""
        filters = {"container": attrs["Id"], "event": "die"}
        now = int(time.time())
        codes = [
            event["Actor"]["Attributes"].get("exitCode", "")
            for event in self.client.events(
                since=now - 600, until=now, filters=filters, decode=True
            )
        ]
        return int(codes[-1]) if codes and codes[-1].lstrip("-").isdigit() else None

    def _shortcomings(self, client: APIClient, info: dict[str, Any]) -> tuple[list[str], list[str]]:
        """Return (problems, notes) of an engine that answers."""
        problems, notes = [], []
        if info.get("OSType", "linux") != "linux":
            problems.append("This Docker runs Windows containers; switch it to Linux containers.")
        if info.get("MemoryLimit") is False:
            notes.append("This Docker host cannot limit the memory of containers.")
        if info.get("CpuCfsQuota") is False:
            notes.append("This Docker host cannot limit the CPU of containers.")
        if self.base_image and not client.images(name=self.base_image):
            notes.append(
                f"The base image {self.base_image} is not on this Docker host yet; the first"
                " build fetches it, which needs its registry. Another one can be named in"
                " SLIPWAY_BASE_IMAGE."
            )
        return problems, notes

    def _capacity(self, client: APIClient, info: dict[str, Any]) -> Capacity:
        """Return the engine's size, and what the limits of all Slipway services take of it."""
        running = client.containers(filters={"label": INSTANCE_LABEL})
        labels = [container.get("Labels") or {} for container in running]
        total = int(info.get("MemTotal") or 0) / 2**20
        reserved = sum(float(found.get(MEMORY_LABEL) or 0) for found in labels)
        return Capacity(
            cpu_total=float(info.get("NCPU") or 0) or None,
            cpu_used=sum(float(found.get(CPU_LABEL) or 0) for found in labels),
            memory_total_mb=total or None,
            memory_free_mb=max(0.0, total - reserved) if total else None,
        )


def _same(attrs: dict[str, Any], spec: InstanceSpec) -> bool:
    labels = attrs["Config"].get("Labels") or {}
    wish = (spec.digest, str(spec.port), spec.image)
    return (labels.get(DIGEST_LABEL), labels.get(PORT_LABEL), attrs["Config"]["Image"]) == wish
