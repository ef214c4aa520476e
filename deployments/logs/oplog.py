"""Logs of operations: one file per step, appended line by line, read by offset. Never rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from deployments.logs.utf8 import decode_whole
from deployments.models import Operation, Step

MAX_CHUNK = 256 * 1024  # bytes per answer


@dataclass(frozen=True)
class LogChunk:
    """Text from an offset on. `next_offset` in bytes; `complete`: nothing will follow."""

    text: str
    next_offset: int
    complete: bool


def step_path(step: Step) -> Path:
    folder: Path = settings.DATA.operation(step.operation_id)
    return folder / f"{step.position}.log"


def writer(step: Step) -> Callable[[str], None]:
    """A function that appends one line, stamped `yyyymmddHHMMSS|`, and flushes it."""
    path = step_path(step)
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(line: str) -> None:
        stamp = datetime.now(tz=timezone.get_default_timezone()).strftime("%Y%m%d%H%M%S")
        with path.open("a", encoding="utf-8", errors="replace") as stream:
            stream.writelines(f"{stamp}|{part}\n" for part in line.rstrip("\n").split("\n"))

    return write


def read(path: Path, offset: int, *, complete: bool, limit: int = MAX_CHUNK) -> LogChunk:
    """Text of a log file from `offset` bytes on, cut at a whole line unless nothing follows."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, offset))
            data = stream.read(limit)
            at_end = not stream.read(1)
    except OSError:
        return LogChunk("", max(0, offset), complete)
    cut = len(data) if at_end else data.rfind(b"\n") + 1 or len(data)
    return _chunk(data[:cut], offset, complete=complete and at_end)


def _chunk(data: bytes, offset: int, *, complete: bool) -> LogChunk:
    text, taken = decode_whole(data)
    if complete and taken < len(data):  # nothing follows that could complete the last character
        text, taken = data.decode("utf-8", errors="replace"), len(data)
    return LogChunk(text, max(0, offset) + taken, complete)


def read_step(step: Step, offset: int) -> LogChunk:
    return read(step_path(step), offset, complete=step.ended_at is not None)


def read_operation(operation: Operation, offset: int) -> LogChunk:
    """The logs of all steps as one text with a heading per step.

    Offsets count bytes of the joined text; a step that has ended never grows, so an offset stays
    valid while the operation goes on.
    """
    parts: list[bytes] = []
    for step in operation.steps.all():
        body = _bytes(step_path(step))
        if body or step.started_at:
            parts.append(f"== {step.name} ==\n".encode() + body)
        if step.ended_at is None:
            break
    data = b"".join(parts)[max(0, offset) :]
    at_end = len(data) <= MAX_CHUNK
    return _chunk(data[:MAX_CHUNK], offset, complete=at_end and not operation.is_open)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
