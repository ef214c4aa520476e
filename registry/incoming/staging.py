"""Where files of a model are gathered before they are a version: the data folder's `incoming/`.

Nobody but the studio may look into it: uploads are written by path, and the code of models must not
put a link in their way.

Each staging has a lock file beside it that its process holds. What a killed process left, staging
or half-published files, is swept away by whoever comes next; what is under way stays.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from registry.files import DISK_FULL
from registry.names import Names, path_clean
from workspaces.errors import Invalid, Problem, Unavailable
from workspaces.tracking.models import places as tracking_places

CHECK_EVERY = 16 * 1024 * 1024  # bytes between two looks at the free disk


@dataclass(frozen=True)
class StagedFile:
    """A file that was written whole."""

    path: str
    size: int
    sha256: str


class Meter:
    """Counts what is really written, and refuses what is too much.

    Args:
        folder: on the disk whose free space counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.most = settings.SLIPWAY.max_upload_bytes
        self.written = 0
        self._unchecked = CHECK_EVERY

    def count(self, size: int) -> None:
        """Say that so many bytes are about to be written.

        Raises:
            Invalid: more than SLIPWAY_MAX_UPLOAD in all.
            Unavailable: less than SLIPWAY_MIN_FREE would be left.
        """
        self.written += size
        if self.written > self.most:
            text = _("The files are larger than %(most)s MB in all (SLIPWAY_MAX_UPLOAD).")
            raise Invalid(text % {"most": self.most // 1_000_000}, code="too_large")
        self._unchecked += size
        if self._unchecked >= CHECK_EVERY:
            self._unchecked = 0
            room_check(self.folder)


def room_check(folder: Path, coming: int = 0) -> None:
    """Refuse to begin, or to go on, when the disk is nearly full.

    Args:
        coming: bytes that are known to follow.
    Raises:
        Unavailable: with the code DISK_FULL.
    """
    free = shutil.disk_usage(folder).free
    needed = settings.SLIPWAY.min_free_bytes + coming
    if free < needed:
        text = _(
            "The disk is too full: %(free)s MB are free, %(needed)s MB are needed (with the "
            "reserve of SLIPWAY_MIN_FREE)."
        )
        words = {"free": free // 1_000_000, "needed": -(-needed // 1_000_000)}
        raise Unavailable(text % words, code=DISK_FULL)


class Staging:
    """Files of one model to be. Make it with `staging_open`.

    Attributes:
        folder: holds the files and nothing else.
        names: the paths so far.
        meter: counts all bytes.
    """

    def __init__(self, base: Path, lock: IO[bytes]) -> None:
        self.folder = base / "files"
        self.spare = base / "spare"  # archives while they are unpacked
        self._lock = lock
        self.meter = Meter(base)
        self.names = Names(settings.SLIPWAY.max_files)

    def add(self, path: str, pieces: Iterator[bytes]) -> StagedFile:
        """Write a file. Raises: Invalid (its name, too much), Unavailable (disk)."""
        writer = self.open(path)
        with writer:
            for piece in pieces:
                writer.write(piece)
        return writer.done()

    def open(self, path: str) -> Writer:
        """Begin a file below `folder`. Raises: Invalid: its name cannot be used, or is taken."""
        clean = path_clean(path)
        if not clean:
            raise Invalid(_("A file has no name."))
        self.names.add(clean)
        target = self.folder / clean
        target.parent.mkdir(parents=True, exist_ok=True)
        return Writer(clean, target, self.meter)

    def open_spare(self, name: str) -> Writer:
        """Begin a file that is no part of the model, an archive; its bytes count as well.

        Raises:
            Invalid: its name cannot be used; it is kept and shown as where the version came from.
        """
        clean = path_clean(name)
        if not clean:
            raise Invalid(_("A file has no name."))
        self.spare.mkdir(exist_ok=True)
        return Writer(clean, self.spare / secrets.token_hex(8), self.meter)

    def enter(self, top: str) -> None:
        """Make the one folder that holds everything the root."""
        self.folder /= top
        inner = Names(self.names.most)
        for path in self.names.files:
            inner.add(path.removeprefix(f"{top}/"))
        self.names = inner

    def drop(self, path: str) -> None:
        """Take a file away again."""
        (self.folder / path).unlink()
        self.names.files.discard(path)

    def move_in(self, spare: Writer) -> StagedFile:
        """Make a finished spare file a file of the model after all."""
        clean = path_clean(spare.path)
        self.names.add(clean)
        target = self.folder / clean
        target.parent.mkdir(parents=True, exist_ok=True)
        spare.target.rename(target)
        return replace(spare.done(), path=clean)

    def publishes(self, place: str) -> None:
        """Write down where the files are going, so that a sweep can take them back."""
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(json.dumps({"place": place}).encode())
        self._lock.flush()
        os.fsync(self._lock.fileno())

    def published(self) -> None:
        """The files belong to a version now: forget the place."""
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.flush()


class Writer:
    """A file that is being written, hashed and counted."""

    def __init__(self, path: str, target: Path, meter: Meter) -> None:
        self.path, self.target, self.size = path, target, 0
        self._meter, self._digest = meter, hashlib.sha256()
        self._file = target.open("xb")

    def write(self, data: bytes) -> None:
        """Raises: Invalid, Unavailable: see `Meter`. OSError: the disk says no."""
        self._meter.count(len(data))
        self._digest.update(data)
        self._file.write(data)
        self.size += len(data)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def done(self) -> StagedFile:
        """The finished file."""
        self.close()
        return StagedFile(self.path, self.size, self._digest.hexdigest())


@contextmanager
def staging_open() -> Iterator[Staging]:
    """A staging of its own; gone afterwards with all that is in it.

    Raises:
        Unavailable: less than SLIPWAY_MIN_FREE is free, or the disk says no.
    """
    staging, lock, base = _make()
    try:
        yield staging
    except OSError as error:
        raise disk_problem(error) from error
    finally:
        close(base, lock)


def _make() -> tuple[Staging, IO[bytes], Path]:
    root = staging_root()
    sweep()
    room_check(root)
    while True:
        base = root / secrets.token_hex(16)
        lock = base.with_suffix(".lock").open("xb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a sweep was quicker and removes it
            lock.close()
            continue
        if os.path.lexists(lock.name):
            break
        lock.close()
    base.mkdir(mode=0o700)
    staging = Staging(base, lock)
    staging.folder.mkdir()
    return staging, lock, base


def close(base: Path, lock: IO[bytes]) -> None:
    """Remove a staging and its lock."""
    shutil.rmtree(base, ignore_errors=True)
    Path(lock.name).unlink(missing_ok=True)
    lock.close()


def disk_problem(error: OSError) -> Problem:
    """What a failure of the disk means for the person who uploads."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(_("The disk is full."), code=DISK_FULL)
    cause = error.strerror or type(error).__name__
    return Unavailable(_("The files cannot be written: %(cause)s.") % {"cause": cause})


def staging_root() -> Path:
    """The folder of all stagings, made when absent."""
    root: Path = settings.SLIPWAY.data.incoming
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def sweep() -> None:
    """Remove what killed processes left: stagings, and files published for no version.

    Never raises for a store that does not answer: then the note of the place stays for later.
    """
    for path in staging_root().glob("*.lock"):
        try:
            with path.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _sweep_one(path, lock.read(10_000))
        except (BlockingIOError, FileNotFoundError):
            continue  # it is under way, or another process is at it


def _sweep_one(path: Path, note: bytes) -> None:
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    try:
        place = json.loads(note)["place"] if note.strip() else ""
        if place:
            tracking_places.place_remove_unless_used(str(place))
    except (ValueError, KeyError, TypeError):
        pass  # the note was cut: nothing had been published when it was written
    except Problem:
        return
    path.unlink(missing_ok=True)
