"""A version's files as one zip, made while it is sent: flat memory, nothing on the disk."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from registry.files import CHUNK
from workspaces.streaming import body_of
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.files import ModelFolder

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files are the same archive


class _Sink(io.RawIOBase):
    """Takes what zipfile writes, until it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self.parts)
        self.parts.clear()
        return data


def archive_response(request: HttpRequest, name: str, version: str) -> StreamingHttpResponse:
    """The files of a version as an attachment.

    Raises:
        NotFound: there is no such version, or its files are gone. Unavailable. Invalid.
    """
    tracking_models.version_get(name, version)
    folder = ModelFolder(tracking_models.version_location(name, version))
    files = sorted(folder.files(), key=lambda item: item.path)
    pieces = archive_pieces(folder, files)
    response = StreamingHttpResponse(body_of(request, pieces), content_type="application/zip")
    file_name = re.sub(r"[^\w.-]+", "-", f"{name}-{version}", flags=re.ASCII) + ".zip"
    response["Content-Disposition"] = content_disposition_header(True, file_name) or "attachment"
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Folder(Protocol):
    """What files are read from; a `ModelFolder` is one."""

    def open(self, path: str) -> AbstractContextManager[Readable]: ...


class Entry(Protocol):
    @property
    def path(self) -> str: ...


def archive_pieces(folder: Folder, files: Sequence[Entry]) -> Iterator[bytes]:
    """A zip of these files in pieces. Stored, not compressed: weights do not shrink."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for item in files:
            entry = zipfile.ZipInfo(item.path, EPOCH)
            entry.external_attr = 0o644 << 16
            with (
                folder.open(item.path) as source,
                archive.open(entry, "w", force_zip64=True) as member,
            ):
                while data := source.read(CHUNK):
                    member.write(data)
                    yield sink.take()
    yield sink.take()
