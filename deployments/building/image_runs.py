"""What an image is, and programs that run once in a container of it, without network and rights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.building.processes import Cancelled
from deployments.drivers import docker_files
from deployments.drivers.base import InvalidSpec
from deployments.drivers.docker import LOG_OPTIONS, DockerDriver
from deployments.drivers.docker_client import translated
from deployments.drivers.docker_layout import IMAGE_LABEL, NODE_LABEL, STARTED_LABEL, USER_ID


def _find(driver: DockerDriver, tag: str) -> dict[str, Any] | None:
    from docker.errors import ImageNotFound

    client: Any = driver.client  # the stubs leave inspect_image untyped
    with translated(driver.base_url):
        try:
            found: dict[str, Any] = client.inspect_image(tag)
        except ImageNotFound:
            return None
    return found


def exists(driver: DockerDriver, tag: str) -> bool:
    return _find(driver, tag) is not None


def inspect(driver: DockerDriver, tag: str) -> dict[str, Any]:
    """What the engine knows of an image. Raises: InvalidSpec: it is not there."""
    found = _find(driver, tag)
    if found is None:
        raise InvalidSpec(f"The image {tag} is not on this Docker host.")
    return found


def image_id(driver: DockerDriver, tag: str) -> str:
    return str(inspect(driver, tag)["Id"])


_pythons: dict[str, str] = {}  # image id -> "3.11"; an id never changes its content


def base_image_python(driver: DockerDriver, base_image: str, timeout: int = 30) -> str:
    """Return the Python minor of an image that the engine has, such as "3.11".

    Runs a container without network for at most `timeout` seconds, once per image.

    Raises:
        InvalidSpec: the image is not there or has no python3.
        TargetUnreachable.
    """
    with translated(driver.base_url):
        image = image_id(driver, base_image)
        if image not in _pythons:
            _pythons[image] = _ask_python(driver, base_image, image, timeout)
    return _pythons[image]


def _ask_python(driver: DockerDriver, name: str, image: str, timeout: int) -> str:
    from docker.errors import APIError

    client = driver.client
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    limits = client.create_host_config(network_mode="none", mem_limit="128m", cap_drop=["ALL"])
    container = client.create_container(
        image=image,
        entrypoint=["python3", "-c", program],
        command=[],
        host_config=limits,
        labels=_labels(driver),
    )["Id"]
    try:
        client.start(container)
        code = client.wait(container, timeout=timeout)["StatusCode"]
        version = client.logs(container, stderr=False).decode().strip()
    except APIError as error:
        raise InvalidSpec(f"The base image {name} has no python3 to run a model with.") from error
    finally:
        client.remove_container(container, force=True, v=True)
    if code != 0:
        raise InvalidSpec(f"python3 of the base image {name} does not work (exit code {code}).")
    return version


def _labels(driver: DockerDriver) -> dict[str, str]:
    """By these `remove_old` finds what a killed worker left."""
    return {
        IMAGE_LABEL: "probe",
        NODE_LABEL: driver.node,
        STARTED_LABEL: str(int(time.time())),
    }


def remove_old(driver: DockerDriver, seconds: float) -> int:
    """Remove containers of this node that were started to run once, longer ago than this.

    Returns how many there were.

    Raises:
        TargetUnreachable.
    """
    labels = [f"{IMAGE_LABEL}=probe", f"{NODE_LABEL}={driver.node}"]
    before, count = time.time() - seconds, 0
    with translated(driver.base_url):
        for found in driver.client.containers(all=True, filters={"label": labels}):
            if float((found.get("Labels") or {}).get(STARTED_LABEL) or 0) < before:
                driver.force_remove(found["Id"])
                count += 1
    return count


@dataclass(frozen=True)
class Limits:
    """Of one run: MB of memory without swap, cores, seconds."""

    memory_mb: int
    cpu: float
    seconds: float


TICK = 0.1  # seconds between looks at a container that runs
PIDS_LIMIT = 1024


@dataclass(frozen=True)
class Ended:
    """What a program wrote, and whether the kernel ended it or a part of it for its memory."""

    text: str
    exit_code: int
    out_of_memory: bool


def run_once(
    driver: DockerDriver,
    image: str,
    command: Sequence[str],
    *,
    limits: Limits,
    cancelled: Callable[[], bool],
) -> str:
    """Run a program in a new container of an image and return what it wrote; see `run_to_end`."""
    return run_to_end(driver, image, command, limits=limits, cancelled=cancelled).text


def run_to_end(
    driver: DockerDriver,
    image: str,
    command: Sequence[str],
    *,
    limits: Limits,
    cancelled: Callable[[], bool],
    files: Mapping[str, Any] | None = None,
) -> Ended:
    """Run a program in a new container of an image.

    No network, no capabilities, no root; the container is gone when this returns.

    Args:
        files: JSON documents by name, put into the replica's folder before it starts.
    Raises:
        TimeoutError: it ran longer than it may. Cancelled. TargetUnreachable.
    """
    with translated(driver.base_url):
        container = _create_once(driver, image, command, limits)
        try:
            if files:
                docker_files.put_documents(driver.client, container, files)
            driver.client.start(container)
            state = _await_end(driver, container, limits.seconds, cancelled)
            written = bytes(driver.client.logs(container)) if state else b""
        finally:
            driver.client.remove_container(container, force=True, v=True)
    if state is None:  # said out here: inside, a TimeoutError would be the engine's
        raise TimeoutError(f"it took longer than {limits.seconds:g} s")
    text = written.decode("utf-8", "replace")
    return Ended(text, int(state.get("ExitCode") or 0), bool(state.get("OOMKilled")))


def _create_once(driver: DockerDriver, image: str, command: Sequence[str], limits: Limits) -> str:
    from docker.types import LogConfig

    client = driver.client
    memory = limits.memory_mb * 2**20
    made = client.create_container(
        image=image,
        entrypoint=list(command),
        command=[],
        user=f"{USER_ID}:{USER_ID}",
        environment={"PYTHONUNBUFFERED": "1"},
        labels=_labels(driver),
        host_config=client.create_host_config(
            network_mode="none",
            nano_cpus=int(limits.cpu * 1e9),
            mem_limit=memory,
            memswap_limit=memory,  # equal: no swap
            pids_limit=PIDS_LIMIT,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            log_config=LogConfig(type=LogConfig.types.JSON, config=LOG_OPTIONS),
            init=True,
        ),
    )
    return str(made["Id"])


def _await_end(
    driver: DockerDriver, container: str, seconds: float, cancelled: Callable[[], bool]
) -> dict[str, Any] | None:
    """Wait for the end of a container; its last state, None when its time was over first."""
    deadline = time.monotonic() + seconds
    while True:
        state: dict[str, Any] = driver.client.inspect_container(container)["State"]
        if not state["Running"]:
            return state
        if cancelled():
            raise Cancelled
        if time.monotonic() > deadline:
            return None
        time.sleep(TICK)
