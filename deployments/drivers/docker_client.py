"""The connection to Docker, and the one place where its errors become ours."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployments.drivers.base import (
    DriverError,
    InvalidSpec,
    NoCapacity,
    PortTaken,
    TargetUnreachable,
)

if TYPE_CHECKING:
    from docker import APIClient

# What the engine says, the error it means, and the sentence for the person; the first that fits.
_SAYINGS: tuple[tuple[str, type[DriverError], str], ...] = (
    (
        r"port is already allocated|address already in use",
        PortTaken,
        "The host port of this service is taken by another program; another port is tried.",
    ),
    (
        r"no space left on device",
        NoCapacity,
        "The disk of the Docker host is full. Free some space, for example with"
        " 'docker system prune'.",
    ),
    (
        r"[Mm]inimum memory limit allowed is (?P<limit>\w+)",
        InvalidSpec,
        "Docker needs a memory limit of at least {limit}; give the service more memory.",
    ),
    (
        r"[Rr]ange of CPUs is from [\d.]+ to (?P<limit>[\d.]+)",
        InvalidSpec,
        "This Docker host has {limit} CPUs; ask for no more than that.",
    ),
    (
        r"[Nn]o such image: (?P<image>\S+)",
        InvalidSpec,
        "The image {image} is not on this Docker host any more; deploy again to build it.",
    ),
    (
        r"(?:exec|stat):? \"?(?P<program>[^\s\":]+)\"?:? "
        r"(?:.*executable file not found|no such file)",
        InvalidSpec,
        "The image has no program {program} to start.",
    ),
)


def connect(base_url: str = "", timeout: float = 5.0) -> APIClient:
    """Return a client of the engine at `base_url` (empty: DOCKER_HOST, else the usual socket).

    Every request of it ends after `timeout` seconds without an answer.

    Raises:
        TargetUnreachable.
    """
    import docker
    from docker.utils import kwargs_from_env

    options = {"base_url": base_url} if base_url else kwargs_from_env()
    with translated(base_url):
        # The SDK takes a float, its stubs do not say so.
        return docker.APIClient(version="auto", timeout=timeout, **options)  # type: ignore[arg-type]


@contextmanager
def translated(base_url: str = "") -> Iterator[None]:
    """Turn every error of the SDK inside the block into a DriverError."""
    import urllib3.exceptions
    from docker import errors
    from requests.exceptions import RequestException

    try:
        yield
    except DriverError:
        raise
    except errors.APIError as error:
        raise api_error(error.status_code, str(error.explanation or error)) from error
    except (
        errors.DockerException,
        RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise TargetUnreachable(unreachable_sentence(error, base_url)) from error


def api_error(status: int | None, text: str) -> DriverError:
    """Return our error for an answer of the engine."""
    for pattern, kind, sentence in _SAYINGS:
        found = re.search(pattern, text)
        if found:
            return kind(sentence.format(**found.groupdict()))
    text = " ".join(text.split())[:500]
    if status is not None and status < 500:
        return InvalidSpec(f"Docker refused: {text}")
    return TargetUnreachable(f"Docker had an error: {text}")


def unreachable_sentence(error: BaseException, base_url: str = "") -> str:
    """Return why the engine does not answer, and how to mend it, as one sentence or two."""
    where = _socket(base_url)
    causes = list(_causes(error))
    text = " ".join(str(cause) for cause in causes)
    if any(isinstance(cause, PermissionError) for cause in causes) or "Permission denied" in text:
        return (
            f"This user may not use Docker at {where}. Add yourself to group docker"
            f" (sudo usermod -aG docker {_user()}), sign in again and start Slipway again."
        )
    if any(isinstance(cause, FileNotFoundError) for cause in causes):
        return (
            f"There is no Docker here: {where} does not exist. Install Docker, or start it"
            " with 'sudo systemctl start docker'."
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return (
            f"The Docker daemon is down: nothing answers at {where}. Start it with"
            " 'sudo systemctl start docker'."
        )
    if "timed out" in text.lower() or "timeout" in text.lower():
        return f"Docker at {where} did not answer in time. It may be busy; it is asked again."
    return f"Docker at {where} cannot be reached: {' '.join(str(error).split())[:300]}"


def _socket(base_url: str) -> str:
    url = base_url or os.environ.get("DOCKER_HOST", "") or "/var/run/docker.sock"
    return re.sub(r"^(?:http\+)?unix:/+", "/", url)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return "$USER"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything it wraps: requests and urllib3 keep the cause in `args`."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__, getattr(found, "reason", None)]
        waiting += [arg for arg in found.args if isinstance(arg, BaseException)]
