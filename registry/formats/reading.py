"""Reading files whose bytes may be anything: in pieces, bounded, failing in one way only."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, Protocol

CHUNK = 1024 * 1024


class Unreadable(Exception):
    """The bytes are not of the format that is looked for."""


class Read(Protocol):
    """Gives bytes of a file; fewer, or none, at its end."""

    def __call__(self, path: str, offset: int, count: int) -> bytes: ...


class Part:
    """What a recogniser found in one file: the fields of `formats.Found` but the path."""

    def __init__(
        self,
        format: str,
        version: str = "",
        facts: dict[str, Any] | None = None,
        problem: str = "",
    ) -> None:
        self.format, self.version = format, version
        self.facts, self.problem = facts or {}, problem


class FileView(io.RawIOBase):
    """A file of a `Read` as Python's libraries want one."""

    def __init__(self, path: str, size: int, read: Read) -> None:
        super().__init__()
        self._path, self._size, self._read, self._at = path, size, read, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._read(self._path, self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def chunks(path: str, size: int, read: Read, most: int) -> Iterator[bytes]:
    """The first `most` bytes of a file in pieces."""
    at, end = 0, min(size, most)
    while at < end and (data := read(path, at, min(CHUNK, end - at))):
        at += len(data)
        yield data


def search(pattern: re.Pattern[bytes], pieces: Iterator[bytes], overlap: int = 256) -> bytes:
    """The first group of the first match in a stream of bytes; b"" when there is none."""
    before = b""
    for piece in pieces:
        window = before + piece
        match = pattern.search(window)
        # a match that touches the end may go on in the next piece, unless there is none
        if match is not None and match.end() < len(window):
            return match.group(1)
        before = window[-overlap:]
    match = pattern.search(before)
    return match.group(1) if match else b""
