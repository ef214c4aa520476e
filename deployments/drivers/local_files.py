"""Files of a replica on this machine: read without trust, and errors as sentences."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments.drivers.base import DriverError, NoCapacity
from deployments.guarded import file_open, file_read


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the file system refuses inside the block into a DriverError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoCapacity("The disk of this machine is full; free some space.") from error
        raise DriverError(f"The service's files cannot be used: {error}") from error


def last_line(log: Path) -> str:
    """The last line of a log that says something; "" when there is none."""
    try:
        with os.fdopen(file_open(log, os.O_RDONLY), "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 2000))
            lines = stream.read().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def read_document(path: Path) -> dict[str, Any] | None:
    """A JSON object; None when it is absent, half written or no object."""
    try:
        document = json.loads(file_read(path))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
