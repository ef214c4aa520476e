"""What a container's state means: pure functions of what `docker inspect` answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.drivers.base import DriverError, NoCapacity, Observation, Phase
from deployments.drivers.docker_client import api_error
from deployments.drivers.docker_layout import DIGEST_LABEL
from serving.contract import EXIT_OUT_OF_MEMORY

LOOP_RESTARTS = 2  # restarted so often and not ready: it crashes over and over


@dataclass(frozen=True)
class Seen:
    """Facts of one container; the callables are asked only where the answer needs them."""

    attrs: Mapping[str, Any]  # of inspect
    endpoint: str
    record: Callable[[], Mapping[str, Any]]  # runtime.json; empty when it cannot be read
    last_line: Callable[[], str]
    last_exit: Callable[[], int | None]  # exit code of the life before this one


def observation(seen: Seen) -> Observation:
    """Return the observation of one container."""
    state = seen.attrs["State"]
    status = state.get("Status", "")
    if status == "created":
        return _created(seen)
    if status == "removing":
        return _made(seen, Phase.PENDING, message="The container is being removed.")
    if status == "paused":
        return _made(seen, Phase.RUNNING, message="The container is paused; 'docker unpause' it.")
    if status == "running":
        return _running(seen)
    return _exited(seen, state.get("ExitCode"))


def _made(seen: Seen, phase: Phase, **facts: Any) -> Observation:
    return Observation(
        phase=phase,
        digest=(seen.attrs["Config"].get("Labels") or {}).get(DIGEST_LABEL, ""),
        endpoint=seen.endpoint if phase is Phase.RUNNING else "",
        restarts=int(seen.attrs.get("RestartCount") or 0),
        **facts,
    )


def _created(seen: Seen) -> Observation:
    """Not started yet, or the start itself failed: then Docker keeps the error."""
    text = seen.attrs["State"].get("Error", "")
    if not text:
        return _made(seen, Phase.PENDING)
    error: DriverError = api_error(400, text)
    if isinstance(error, NoCapacity):
        return _made(seen, Phase.NO_CAPACITY, message=str(error))
    return _made(
        seen, Phase.EXITED, exit_code=seen.attrs["State"].get("ExitCode"), message=str(error)
    )


def _running(seen: Seen) -> Observation:
    record = seen.record()
    restarts = int(seen.attrs.get("RestartCount") or 0)
    ready = record.get("phase") == "ready"
    if restarts >= LOOP_RESTARTS and not ready:
        return _exited(seen, seen.last_exit())
    version = record.get("auth_version")
    return _made(
        seen, Phase.RUNNING, auth_version=version if isinstance(version, int) else 0, message=""
    )


def _exited(seen: Seen, exit_code: int | None) -> Observation:
    state = seen.attrs["State"]
    limit = int(seen.attrs["HostConfig"].get("Memory") or 0) // 2**20
    record = seen.record()
    said = str(record.get("message") or "")
    out_of_memory = bool(state.get("OOMKilled")) or exit_code == EXIT_OUT_OF_MEMORY
    if out_of_memory:
        message = said if said.startswith("used ") else f"used more than {limit} MB"
    else:
        message = said or state.get("Error", "") or seen.last_line()
    return _made(
        seen, Phase.EXITED, exit_code=exit_code, message=message, out_of_memory=out_of_memory
    )
