"""Source folders out of zip and tar archives: regular files alone, read one after the other.

Nothing is unpacked to a path that the archive names: `source_create` judges every path and
ends at its limits of files and bytes, so that a bomb costs what a folder of that size costs.
"""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.utils.translation import gettext as _

from registry.scripts.folders import CHUNK, LEFT_OUT, MAX_BYTES, MAX_FILES, SourceFile
from workspaces.errors import Invalid

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
MAX_ENTRIES = 10 * MAX_FILES  # folders and what is left out count too
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError),
    *(NotImplementedError, RuntimeError, ValueError, OSError),
)


def is_archive(name: str) -> bool:
    """Whether a file of this name is taken for an archive."""
    return name.lower().endswith(ENDINGS)


@contextmanager
def archive_files(name: str, stream: IO[bytes]) -> Iterator[Iterator[SourceFile]]:
    """The regular files of an archive, without the one folder that holds them all.

    That folder stays when it is a Python package.

    Raises:
        Invalid: on field `files`: it cannot be read, holds links or devices, or too many entries.
    """
    try:
        if name.lower().endswith(".zip"):
            with zipfile.ZipFile(stream) as zipped:
                yield _zip_files(zipped)
        else:
            with _plain(name, stream) as plain, tarfile.open(fileobj=plain, mode="r:") as packed:
                yield _tar_files(packed)
    except _BROKEN as error:
        text = _("“%(name)s” cannot be unpacked: %(cause)s.")
        cause = str(error)[:200] or type(error).__name__
        raise _refused(text % {"name": name[:120], "cause": cause}) from error


@contextmanager
def _plain(name: str, stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """The tar itself, of a bounded size: its headers may claim any length."""
    if name.lower().endswith(".tar"):
        yield stream
        return
    with tempfile.TemporaryFile() as plain, gzip.GzipFile(fileobj=stream) as unpacked:
        while chunk := unpacked.read(CHUNK):
            plain.write(chunk)
            if plain.tell() > 2 * MAX_BYTES:
                most = _("At most %(most)s MB of files can be kept.")
                raise _refused(most % {"most": MAX_BYTES // CHUNK})
        plain.seek(0)
        yield plain


def _zip_files(archive: zipfile.ZipFile) -> Iterator[SourceFile]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _check_count(len(archive.infolist()))
    for entry in entries:
        kind = entry.external_attr >> 28  # of Unix: 8 is a regular file, 0 unknown
        if kind not in {0, 8}:
            raise _refused(_no_link(entry.filename))
        if entry.compress_type not in METHODS:
            raise _refused(_("The archive is packed in a way that is not known here."))
    top = _top([entry.filename for entry in entries])
    for entry in entries:
        with archive.open(entry) as content:
            yield SourceFile(entry.filename.removeprefix(top), content)


def _tar_files(archive: tarfile.TarFile) -> Iterator[SourceFile]:
    members: list[tarfile.TarInfo] = []
    for member in archive:
        if len(members) >= MAX_ENTRIES:
            _check_count(len(members) + 1)
        if not member.isdir():
            members.append(member)
        if not (member.isdir() or member.isreg()):
            raise _refused(_no_link(member.name))
    names = [member.name.removeprefix("./") for member in members]
    top = _top(names)
    for member, name in zip(members, names, strict=True):
        content = archive.extractfile(member)
        assert content is not None
        with content:
            yield SourceFile(name.removeprefix(top), content)


def _check_count(count: int) -> None:
    if count > MAX_ENTRIES:
        raise _refused(_("The archive has more than %(most)s entries.") % {"most": MAX_ENTRIES})


def _top(names: list[str]) -> str:
    """`folder/` when everything lies in this one folder and it is no package, else ""."""
    kept = [name for name in names if not LEFT_OUT & set(name.split("/"))]
    first = kept[0].split("/")[0] + "/" if kept else ""
    if first in {"/", "./", "../"} or not all(name.startswith(first) for name in kept):
        return ""
    return "" if f"{first}__init__.py" in kept else first


def _no_link(name: str) -> str:
    shown = name.encode(errors="replace").decode()[:120]
    return _("“%(name)s” is a link or a device; only files and folders are kept.") % {"name": shown}


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, fields={"files": [sentence]})
