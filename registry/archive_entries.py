"""The entries of zip and tar archives that anybody may have made.

Nothing that an archive says of itself is believed: names are checked, only plain files come out,
and entries and bytes are counted while they do. What is refused is refused with the entry's name;
the caller throws away what was written until then.
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
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from django.utils.translation import gettext as _

from registry.files import CHUNK, chunks
from registry.formats.reading import Unreadable
from registry.formats.zips import directory_size
from registry.names import is_junk, path_clean, shown_name
from workspaces.errors import Invalid

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_HEADER = 1_000_000  # bytes of a tar entry's headers, which tarfile keeps in memory
BYTES_PER_ENTRY = 1_000  # of a zip's list, which zipfile reads whole
DECODER_MEMORY = 256 * 1024 * 1024  # what xz may ask for
# zipfile bounds what comes out of these alone: 8 KB of bzip2 may become 10 GB in one call
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
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
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How much of an archive is read.

    Args:
        entries: of any kind; folders and what is left out count, too.
        too_many: what more entries are refused with.
        size: bytes that come out in all, also of what is left out.
        too_large: what more bytes are refused with.
    """

    entries: int
    too_many: Invalid
    size: int
    too_large: Invalid


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked; models that are zips inside have other endings."""
    return name.lower().endswith(ZIP + TAR)


def archive_entries(
    stream: IO[bytes], name: str, limits: Limits
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The files of an archive in their order: a clean path, and the content in pieces.

    The content of one is to be read before the next is asked for; what is not read is passed over.

    Args:
        stream: can be sought in.
        name: as it was uploaded; tells zip from tar.
    Raises:
        Invalid: an entry is refused, there is too much of it, or it is no such archive. Also while
            the pieces are read.
    """
    found = (_zip if name.lower().endswith(ZIP) else _tar)(stream, limits)
    for path, pieces in _told(name, found):
        yield path, _told(name, pieces)


def _told(name: str, found: Iterator[T]) -> Iterator[T]:
    """The same; what goes wrong on the way becomes a sentence."""
    text = _("%(name)s cannot be unpacked: it is broken, or no archive of its kind.")
    broken = Invalid(text % {"name": shown_name(name)})
    try:
        yield from found
    except BROKEN as error:
        raise broken from error
    except OSError as error:
        # without a number: bz2's way to say that its data are wrong; EINVAL: seeking to before it
        if error.errno in {None, errno.EINVAL}:
            raise broken from error
        raise


def _refused(name: str, what: str) -> Invalid:
    return Invalid(_("The entry %(path)s is %(what)s.") % {"path": shown_name(name), "what": what})


def _no_file() -> str:
    return _("a link or a device; only files and folders are taken")


class _Meter:
    """Counts the bytes that come out."""

    def __init__(self, limits: Limits) -> None:
        self._left, self._too_large = limits.size, limits.too_large

    def counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._left -= len(piece)
            if self._left < 0:
                raise self._too_large
            yield piece


# --- zip -----------------------------------------------------------------------------------------


def _zip(stream: IO[bytes], limits: Limits) -> Iterator[tuple[str, Iterator[bytes]]]:
    if directory_size(stream) > limits.entries * BYTES_PER_ENTRY:
        raise limits.too_many
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        if len(entries) > limits.entries:
            raise limits.too_many
        for entry in entries:  # all are looked at before any is unpacked
            _zip_check(entry)
        meter = _Meter(limits)
        for entry in entries:
            path = path_clean(_zip_name(entry))
            if not entry.is_dir() and not is_junk(path):
                with archive.open(entry) as member:
                    yield path, meter.counted(chunks(member))


def _zip_check(entry: zipfile.ZipInfo) -> None:
    name = _zip_name(entry)
    path_clean(name)
    if entry.flag_bits & 0x1:
        raise _refused(name, _("encrypted"))
    kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == 3 else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _refused(name, _no_file())
    if entry.compress_type not in METHODS:
        raise _refused(name, _("compressed in a way that is not supported; use deflate"))


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """The name as it was written: zipfile cuts it at a NUL, and takes unmarked names for cp437."""
    name = entry.orig_filename
    if entry.flag_bits & 0x800 or name.isascii():
        return name
    return name.encode("cp437").decode("utf-8", "surrogateescape")


# --- tar -----------------------------------------------------------------------------------------


def _tar(stream: IO[bytes], limits: Limits) -> Iterator[tuple[str, Iterator[bytes]]]:
    source = _Bounded(_Meter(limits).counted(_unpacked(stream)))
    with tarfile.open(fileobj=source, mode="r|", bufsize=tarfile.RECORDSIZE) as archive:
        for _number in range(limits.entries):
            source.left = MAX_HEADER
            entry = archive.next()
            if entry is None:
                return
            source.left = None
            _tar_check(entry)
            path = path_clean(entry.name)
            archive.members = []  # type: ignore[attr-defined]  # it would keep every entry
            archive.pax_headers = {}  # and every global header
            member = None if entry.isdir() else archive.extractfile(entry)
            if member is None:
                continue
            pieces = chunks(member)
            if not is_junk(path):
                yield path, pieces
            for _piece in pieces:
                pass  # read past here: later it would count as a header
    raise limits.too_many


def _tar_check(entry: tarfile.TarInfo) -> None:
    if entry.issparse():
        raise _refused(entry.name, _("a sparse file; pack it as a plain one"))
    if entry.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE}:
        raise _refused(entry.name, _no_file())


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


def _unpacked(stream: IO[bytes]) -> Iterator[bytes]:
    """The tar inside, whatever it is compressed with, in pieces of bounded size."""
    start = stream.read(6)
    stream.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return _inflated(stream)
    if start.startswith(b"BZh"):
        return _decoded(stream, bz2.BZ2Decompressor)
    if start.startswith(b"\xfd7zXZ\x00"):
        return _decoded(stream, lambda: lzma.LZMADecompressor(memlimit=DECODER_MEMORY))
    return chunks(stream)


def _inflated(stream: IO[bytes]) -> Iterator[bytes]:
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


def _decoded(stream: IO[bytes], new: Any) -> Iterator[bytes]:
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
