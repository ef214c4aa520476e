"""Log lines of master and workers (one JSON object a line) and rotation of the log file.

What a model prints, and warnings, stay as the plain lines they are.
"""

from __future__ import annotations

import contextvars
import fcntl
import json
import logging
import os
import sys
import time
from pathlib import Path

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")

MAX_LOG_BYTES = 10 * 1024 * 1024
FIELDS = ("path", "status", "ms", "caller", "worker")  # passed with logging's `extra`


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON line; a traceback goes into the field `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        for field in FIELDS:
            if field in record.__dict__:
                line[field] = record.__dict__[field]
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def setup() -> None:
    """Send every logger to stdout as JSON lines, and keep prints line by line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def append_only(path: Path) -> None:
    """Make writes to an inherited log append: without it, truncating leaves a hole of zeros."""
    try:
        wanted = path.stat()
    except OSError:
        return
    for descriptor in (1, 2):
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)


def rotate(path: Path, limit: int = MAX_LOG_BYTES) -> bool:
    """Copy a log above `limit` bytes to `<name>.1` and truncate it; returns whether it did."""
    try:
        if path.stat().st_size <= limit:
            return False
        kept = path.with_name(path.name + ".1")
        with path.open("r+b") as log, kept.open("wb") as copy:
            while block := log.read(1024 * 1024):
                copy.write(block)
            log.truncate(0)
    except OSError:  # a full or read-only disk must not end the service
        logging.getLogger(__name__).exception("could not rotate %s", path.name)
        return False
    return True
