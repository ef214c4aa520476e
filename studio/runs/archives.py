"""A folder of artifacts as one zip, made while it is sent: flat memory, nothing on the disk."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.utils.translation import gettext as _

from registry.downloads import archive_pieces
from studio.runs.places import Place
from workspaces.errors import Invalid, NotFound
from workspaces.tracking.artifacts import (
    OpenArtifact,
    artifact_open,
    artifact_path_clean,
    artifacts_list,
)

MOST_FILES = 10_000
DEEPEST = 40


def folder_archive(place: Place, path: str) -> Iterator[bytes]:
    """The files below a folder, in pieces of a zip; "" is the place itself.

    Raises, before the first piece: NotFound, also for a file; Invalid: the path, or there is too
    much; Unavailable.
    """
    path = artifact_path_clean(path)
    files = [_Entry(found[len(path) :].lstrip("/")) for found in _files(place.uri, path, 0)]
    if not files:
        raise NotFound(_("There is no such folder, or no file is in it."))
    return archive_pieces(_Folder(place.uri, path), files)


def archive_name(run_id: str, place: Place, path: str) -> str:
    """A name for the file: the folder's, else the model's or the run's."""
    name = posixpath.basename(path) or place.name or f"artifacts-{run_id[:8]}"
    return (re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)[:100].strip("-.") or "files") + ".zip"


def _files(uri: str, path: str, depth: int) -> list[str]:
    entries, complete = artifacts_list(uri, path)
    if not complete or depth > DEEPEST:
        raise Invalid(
            _("The folder has too many entries or levels for one archive. Use the MLflow client.")
        )
    found: list[str] = []
    for entry in entries:
        found += _files(uri, entry.path, depth + 1) if entry.is_folder else [entry.path]
        if len(found) > MOST_FILES:
            words = {"most": MOST_FILES}
            raise Invalid(_("The folder has more than %(most)s files.") % words)
    return found


@dataclass(frozen=True)
class _Entry:
    path: str


@dataclass
class _Reader:
    """An open artifact as `archive_pieces` reads it: a chunk at a time, b"" at the end."""

    chunks: Iterator[bytes]

    def read(self, size: int) -> bytes:
        return next(self.chunks, b"")


@dataclass(frozen=True)
class _Folder:
    uri: str
    path: str

    @contextmanager
    def open(self, path: str) -> Iterator[_Reader]:
        opened: OpenArtifact = artifact_open(self.uri, posixpath.join(self.path, path))
        try:
            yield _Reader(iter(opened))
        finally:
            opened.close()
