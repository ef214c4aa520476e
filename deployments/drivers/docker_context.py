"""Build contexts: what a build may copy, as a tar archive that depends on content alone."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Entry:
    """One file of a context: from disk, or a text."""

    name: str
    path: Path | None = None
    content: bytes = b""

    @classmethod
    def text(cls, name: str, text: str) -> Entry:
        """Return a file with this text."""
        return cls(name, content=text.encode())

    def read(self) -> bytes:
        """Return the whole content."""
        return self.path.read_bytes() if self.path else self.content

    def add_to(self, archive: tarfile.TarFile) -> None:
        """Owned by root, readable by all, without times: the same files give the same layer."""
        info = tarfile.TarInfo(self.name)
        info.mode = 0o644
        if self.path is None:
            info.size = len(self.content)
            archive.addfile(info, io.BytesIO(self.content))
            return
        with self.path.open("rb") as file:
            info.size = self.path.stat().st_size
            archive.addfile(info, file)


def pack(context: IO[bytes], entries: list[Entry]) -> None:
    """Write the entries into `context`, which is then read from its beginning."""
    with tarfile.open(fileobj=context, mode="w") as archive:
        for entry in entries:
            entry.add_to(archive)
    context.seek(0)


def tree(folder: Path, name: str) -> Iterator[Entry]:
    """Yield the files of a folder in order; links are not followed out of it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            yield Entry(f"{name}/{path.relative_to(folder).as_posix()}", path)


def sources(folder: Path) -> Iterator[Entry]:
    """Yield the files of `serving/` without what Python compiled."""
    for entry in tree(folder, "serving"):
        if "__pycache__" not in entry.name and not entry.name.endswith(".pyc"):
            yield entry
