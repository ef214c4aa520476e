"""The driver interface and its values. A driver knows one engine and nothing of Django.

Every verb is idempotent and returns at once: a driver converges, it never waits until done.
The contract suite `tests/drivers/test_contract.py` holds every driver to these docstrings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from serving.contract import AuthDocument, ReplicaConfig


class DriverError(Exception):
    """The message is one sentence for the person who reads the service page."""


class TargetUnreachable(DriverError):
    """The engine does not answer now. Retried with backoff; never makes a service Failed."""


class InvalidSpec(DriverError):
    """This spec can never run here. The service is Failed at once."""


class NoCapacity(DriverError):
    """There is no room now. The service is Unschedulable and tried again."""


class PortTaken(NoCapacity):
    """Another program has the host port; with another port there is room."""


EXIT_KILLED = 137  # 128 + SIGKILL, as shells and Docker say it: ended from outside


class Phase(StrEnum):
    ABSENT = "absent"
    PENDING = "pending"  # made, and not running yet or not any more; apply() carries it on
    RUNNING = "running"
    EXITED = "exited"
    NO_CAPACITY = "no-capacity"


@dataclass(frozen=True)
class Capacity:
    """What a target has; None where it cannot say. Memory in MB, CPU in cores."""

    cpu_total: float | None = None
    cpu_used: float | None = None
    memory_total_mb: float | None = None
    memory_free_mb: float | None = None
    gpus: int = 0


@dataclass(frozen=True)
class CheckReport:
    """Result of `check()`: `problems` are sentences with the way to mend them; empty = ready."""

    problems: tuple[str, ...]
    capacity: Capacity = field(default_factory=Capacity)
    version: str = ""
    notes: tuple[str, ...] = ()  # worth knowing, but nothing stops the target being used


@dataclass(frozen=True)
class InstanceSpec:
    """One replica of one revision.

    `name` is unique on the target: `<service>-<revision>-<replica>`. Equal `digest` means equal
    wish: applying it again is a no-op. `auth` is not part of the digest.
    """

    name: str
    service: str
    revision: int
    replica: int
    digest: str
    port: int  # host port from the studio's range, published on 127.0.0.1
    config: ReplicaConfig  # host, port, model_dir are set by the driver to what holds inside
    auth: AuthDocument
    folder: Path  # the replica's folder on this node
    model_dir: Path
    environment_dir: Path | None = None  # local: the virtual environment
    runtime_dir: Path | None = None  # local: runtimes/<version>
    image: str = ""  # container targets
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """What is true of one instance on the target now."""

    phase: Phase
    digest: str = ""
    endpoint: str = ""  # http://127.0.0.1:20001 as the gateway reaches it
    restarts: int = 0
    exit_code: int | None = None
    message: str = ""  # plain words; says "used 612 of 512 MB" when memory was the cause
    out_of_memory: bool = False
    ready: bool | None = None  # when the target itself knows; None: the studio asks the endpoint
    auth_version: int = 0  # version of auth.json the replica reports; 0 when it cannot say


ABSENT = Observation(phase=Phase.ABSENT)


class Driver(Protocol):
    """What every target kind offers."""

    kind: str
    builds_image: bool  # operations on this target have the step "Build image"

    def check(self) -> CheckReport:
        """What stops this target being used. Never raises for an engine that is away: it says so.

        Takes at most 5 s.
        """
        ...

    def apply(self, spec: InstanceSpec) -> None:
        """Converge to `spec` and return at once; the same digest is a no-op while it runs.

        An exited instance of the same digest is started again. One of another digest ends first,
        which may take a moment: apply again until it is replaced. A crash half-way leaves one
        object, not two; applied again it is carried on.

        Raises:
            TargetUnreachable, InvalidSpec, NoCapacity.
        """
        ...

    def put_auth(self, name: str, folder: Path, auth: AuthDocument) -> None:
        """Replace auth.json of a running instance; a no-op when it is absent.

        Raises:
            TargetUnreachable.
        """
        ...

    def observe(self, name: str, folder: Path) -> Observation:
        """The instance as it is now; ABSENT when unknown.

        Raises:
            TargetUnreachable.
        """
        ...

    def remove(self, name: str, folder: Path) -> bool:
        """Ask the instance to end and forget it. Returns True once nothing of it is left.

        Succeeds when already gone. Drains: requests under way get up to 10 s, without blocking
        the caller; call again until True.

        Raises:
            TargetUnreachable.
        """
        ...

    def logs(self, name: str, folder: Path, since: int = 0, limit: int = 65_536) -> tuple[str, int]:
        """Text from offset `since` (bytes), at most `limit` bytes, and the next offset.

        Also after exit, also of a container that failed to start. Unknown instance: ("", since).
        """
        ...

    def names(self) -> Iterator[str]:
        """Every instance that carries our label and this node's id: for the orphan sweep.

        Raises:
            TargetUnreachable.
        """
        ...


def build(kind_path: str, config: dict[str, Any]) -> Driver:
    """Make a driver from its dotted path; imported here so that SDKs load only where used."""
    from importlib import import_module

    module, _, name = kind_path.rpartition(".")
    driver: Driver = getattr(import_module(module), name)(**config)
    return driver
