"""Unpacks zip and tar archives that anybody may have made.

Nothing that an archive says of itself is believed: names are checked, only plain files are written,
and bytes are counted as they come out. What is refused is refused with the entry's name; the caller
throws away what was written until then.
"""

from __future__ import annotations

import bz2
import errno
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from registry.files import CHUNK
from registry.formats.reading import Unreadable
from registry.formats.zips import directory_size
from registry.incoming.staging import StagedFile, Staging
from registry.names import is_junk, path_clean, shown_name
from workspaces.errors import Invalid

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_RATIO = 200  # times its own size that an archive may unpack to, beyond the first
FREE_OF_RATIO = 100_000_000  # bytes
MAX_HEADER = 1_000_000  # bytes of a tar entry's headers, which tarfile keeps in memory
BYTES_PER_ENTRY = 2_000  # of a zip's list, which zipfile reads whole
DECODER_MEMORY = 256 * 1024 * 1024  # what xz may ask for
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    IndexError,
    UnicodeError,
    Unreadable,
)


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked; models that are zips inside have other endings."""
    return name.lower().endswith(ZIP + TAR)


def unpack(file: Path, name: str, staging: Staging) -> list[StagedFile]:
    """Unpack an archive into a staging.

    Args:
        name: as it was uploaded; tells zip from tar.
    Returns: the files, in their order in the archive.
    Raises:
        Invalid: an entry is refused, there is too much of it, or it is no such archive.
        Unavailable: the disk is full.
    """
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            entries = _zip if name.lower().endswith(ZIP) else _tar
            found = [
                _write(path, pieces, staging, size) for path, pieces in entries(stream, staging)
            ]
    except BROKEN as error:
        raise _broken(name) from error
    except OSError as error:
        # without a number: bz2's way to say that its data are wrong; EINVAL: seeking to before it
        if error.errno in {None, errno.EINVAL}:
            raise _broken(name) from error
        raise
    if not found:
        raise Invalid(_("%(name)s has no files in it.") % {"name": shown_name(name)})
    return found


def _broken(name: str) -> Invalid:
    text = _("%(name)s cannot be unpacked: it is broken, or no archive of its kind.")
    return Invalid(text % {"name": shown_name(name)})


def _write(path: str, pieces: Iterator[bytes], staging: Staging, size: int) -> StagedFile:
    most = FREE_OF_RATIO + MAX_RATIO * size
    writer = staging.open(path)
    with writer:
        for piece in pieces:
            if staging.meter.written + len(piece) > most:
                text = _(
                    "The archive unpacks to more than %(ratio)s times its own size, which no model "
                    "does; upload the files themselves."
                )
                raise Invalid(text % {"ratio": MAX_RATIO}, code="too_large")
            writer.write(piece)
    return writer.done()


def _too_many(most: int) -> str:
    text = _("There are more than %(count)s files; SLIPWAY_MAX_FILES sets how many may be.")
    return text % {"count": most}


def _refused(name: str, what: str) -> Invalid:
    return Invalid(_("The entry %(path)s is %(what)s.") % {"path": shown_name(name), "what": what})


# --- zip -----------------------------------------------------------------------------------------


def _zip(stream: BinaryIO, staging: Staging) -> Iterator[tuple[str, Iterator[bytes]]]:
    if directory_size(stream) > staging.names.most * BYTES_PER_ENTRY:
        raise Invalid(_too_many(staging.names.most))
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        for entry in entries:  # all are looked at before any is unpacked
            _zip_check(entry)
        for entry in entries:
            path = path_clean(_zip_name(entry))
            if not entry.is_dir() and not is_junk(path):
                with archive.open(entry) as member:
                    yield path, _pieces(member)


def _zip_check(entry: zipfile.ZipInfo) -> None:
    name = _zip_name(entry)
    path_clean(name)
    if entry.flag_bits & 0x1:
        raise _refused(name, _("encrypted"))
    kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == 3 else 0
    if kind == stat.S_IFLNK:
        raise _refused(name, _("a link"))
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _refused(name, _("no plain file"))
    if entry.compress_type not in METHODS:
        raise _refused(name, _("compressed in a way that is not supported; use deflate"))


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """The name as it was written: zipfile cuts it at a NUL, and takes unmarked names for cp437."""
    name = entry.orig_filename
    if entry.flag_bits & 0x800 or name.isascii():
        return name
    return name.encode("cp437").decode("utf-8", "surrogateescape")


def _pieces(stream: Any) -> Iterator[bytes]:
    while piece := stream.read(CHUNK):
        yield piece


# --- tar -----------------------------------------------------------------------------------------


def _tar(stream: BinaryIO, staging: Staging) -> Iterator[tuple[str, Iterator[bytes]]]:
    source = _Bounded(_unpacked(stream))
    with tarfile.open(fileobj=source, mode="r|", bufsize=tarfile.RECORDSIZE) as archive:
        for _number in range(2 * staging.names.most + 100):  # folders are entries, too
            source.left = MAX_HEADER
            entry = archive.next()
            if entry is None:
                return
            source.left = None
            _tar_check(entry)
            path = path_clean(entry.name)
            archive.members = []  # type: ignore[attr-defined]  # it would keep every entry
            member = None if entry.isdir() else archive.extractfile(entry)
            if member is not None and not is_junk(path):
                yield path, _pieces(member)
            elif member is not None:
                for _piece in _pieces(member):
                    pass  # read past here: later it would count as a header
    raise Invalid(_too_many(staging.names.most))


def _tar_check(entry: tarfile.TarInfo) -> None:
    if entry.issym() or entry.islnk():
        raise _refused(entry.name, _("a link"))
    if entry.issparse():
        raise _refused(entry.name, _("a sparse file; pack it as a plain one"))
    if entry.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE}:
        raise _refused(entry.name, _("no plain file"))


class _Bounded(io.RawIOBase):
    """The bytes of a tar; while an entry's headers are read, only so many.

    tarfile holds a header's text in memory, as long as the archive says that it is.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = pieces, b""
        self.left: int | None = MAX_HEADER

    def read(self, size: int = -1) -> bytes:
        found = []
        while size > 0:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            piece, self._rest = self._rest[:size], self._rest[size:]
            found.append(piece)
            size -= len(piece)
        data = b"".join(found)
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                raise Invalid(_("The headers of an entry are too long."))
        return data


def _unpacked(stream: BinaryIO) -> Iterator[bytes]:
    """The tar inside, whatever it is compressed with, in pieces of bounded size."""
    start = stream.read(6)
    stream.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return _inflated(stream)
    if start.startswith(b"BZh"):
        return _decoded(stream, bz2.BZ2Decompressor)
    if start.startswith(b"\xfd7zXZ\x00"):
        return _decoded(stream, lambda: lzma.LZMADecompressor(memlimit=DECODER_MEMORY))
    return _pieces(stream)


def _inflated(stream: BinaryIO) -> Iterator[bytes]:
    """gzip, of one member or several, as pigz writes them."""
    decoder = zlib.decompressobj(31)
    waiting = b""
    while data := waiting or stream.read(CHUNK):
        if decoder.eof:
            if not data.strip(b"\x00"):
                return  # padding
            decoder = zlib.decompressobj(31)
        piece = decoder.decompress(data, CHUNK)
        waiting = decoder.unconsumed_tail or decoder.unused_data
        if piece:
            yield piece
    if not decoder.eof:
        raise EOFError


def _decoded(stream: BinaryIO, new: Any) -> Iterator[bytes]:
    """bz2 and xz, of one stream or several."""
    decoder = new()
    data = stream.read(CHUNK)
    while True:
        if decoder.eof:
            data = decoder.unused_data or stream.read(CHUNK)
            if not data.strip(b"\x00"):
                return
            decoder = new()
        elif decoder.needs_input and not data:
            data = stream.read(CHUNK)
            if not data:
                raise EOFError
        piece, data = decoder.decompress(data, CHUNK), b""
        if piece:
            yield piece
