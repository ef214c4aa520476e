"""Log lines of master and workers (one JSON object a line) and rotation of the log file.

What a model prints while it answers one request becomes such a line with that request's id; else
prints and warnings stay as the plain lines they are.
"""

from __future__ import annotations

import contextlib
import contextvars
import fcntl
import functools
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")

MAX_LOG_BYTES = 10 * 1024 * 1024
FIELDS = ("path", "status", "ms", "caller", "worker")  # passed with logging's `extra`


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON line; a traceback goes into the field `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        line: dict[str, object] = {
            "time": stamp(record.created),
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


def stamp(seconds: float) -> str:
    """Return seconds since the epoch as 2026-01-31T23:59:59.123Z."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@functools.lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


class TaggedStream:
    """stdout or stderr; what is printed while one request is answered carries its id."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._tails = threading.local()  # .text: a line that was begun

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text as it is, or line by line as JSON while a request is answered."""
        identity = request_id.get()
        if not identity:
            return self._stream.write(text)
        *lines, self._tails.text = (getattr(self._tails, "text", "") + text).split("\n")
        for line in lines:
            self._line(identity, line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    def end(self) -> None:
        """Write the line that was begun: the request is answered."""
        text = getattr(self._tails, "text", "")
        if text:
            self._tails.text = ""
            self._line(request_id.get(), text)

    def _line(self, identity: str, text: str) -> None:
        line = {"time": stamp(time.time()), "level": "INFO", "message": text}
        line |= {"request_id": identity, "stream": self._name}
        self._stream.write(json.dumps(line) + "\n")


_tagged: list[TaggedStream] = []


def tag_prints() -> None:
    """Let what is printed while a request is answered carry its id; call once, after `setup`."""
    for name in ("stdout", "stderr"):
        stream = TaggedStream(getattr(sys, name), name)
        _tagged.append(stream)
        setattr(sys, name, stream)


def end_prints() -> None:
    """Write the lines that this thread's call began and did not end."""
    for stream in _tagged:
        stream.end()


@contextlib.contextmanager
def during(identity: str) -> Iterator[None]:
    """Let log lines and prints of this context carry a request's id; "" for none."""
    token = request_id.set(identity)
    try:
        yield
    finally:
        end_prints()
        request_id.reset(token)


class AccessLog:
    """A line per request, written once per turn of the event loop."""

    def __init__(self) -> None:
        import orjson  # the master logs as well, and needs none of it, nor asyncio below

        self._dumps = functools.partial(orjson.dumps, option=orjson.OPT_APPEND_NEWLINE)
        self._lines: list[bytes] = []
        self._file = sys.stdout.buffer

    def note(self, identity: str, path: str, status: int, seconds: float, caller: str) -> None:
        """Note an answered request; `seconds` is how long it took."""
        if not self._lines:
            from asyncio import get_running_loop

            get_running_loop().call_soon(self.flush)
        line = {
            "time": stamp(time.time()),
            "level": "INFO",
            "message": "request",
            "request_id": identity,
            "path": path[:200],
            "status": status,
            "ms": round(seconds * 1000, 2),
            "caller": caller,
        }
        self._lines.append(self._dumps(line))

    def flush(self) -> None:
        """Write what was noted."""
        lines, self._lines = self._lines, []
        self._file.write(b"".join(lines))
        self._file.flush()


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
