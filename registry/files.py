"""Copies a version's files to where services run from: read-only, named by what is in them."""

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
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from registry.records import record_of, record_write
from workspaces.errors import Invalid, NotFound, Unavailable
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.files import ModelFile, ModelFolder
from workspaces.tracking.store.opening import ELSEWHERE

STAGING = ".staging-"
CHUNK = 1024 * 1024
DISK_FULL = "disk_full"
LASTING = frozenset({DISK_FULL, ELSEWHERE})  # codes of Unavailable that waiting does not mend
Manifest = list[dict[str, str | int]]


def version_materialize(
    *, name: str, version: str, destination_root: Path, needs_mlmodel: bool = True
) -> str:
    """Copy a version's files to `destination_root/<sha256>/`; nothing to do when they are there.

    Safe when several processes do it at once and after a kill at any moment: the files are copied
    beside their place, and the finished folder is renamed.

    Args:
        destination_root: made when absent.
        needs_mlmodel: False when an entry script loads the files, whatever they are.
    Returns: sha256 of the manifest (path, size and sha256 of every file).
    Raises:
        NotFound: there is no such version, or its files are gone.
        Invalid: a link leaves the folder, or it is no MLflow model.
        Unavailable: less than SLIPWAY_MIN_FREE would be left or the files lie where this studio
            may not read (a code of `LASTING`), or the store does not answer.
    """
    stored = tracking_models.version_get(name, version)
    record = record_of(stored)
    if record.sha256 and (destination_root / record.sha256).is_dir():
        return record.sha256
    destination_root.mkdir(parents=True, exist_ok=True)
    folder = ModelFolder(tracking_models.version_location(name, version))
    files = sorted(folder.files(), key=lambda item: item.path)
    _check_files(files, needs_mlmodel=needs_mlmodel)
    _check_space(destination_root, sum(item.size or 0 for item in files))
    with _staging(destination_root) as staging:
        manifest = [_copy(folder, item, staging) for item in files]
        digest = manifest_sha256(manifest)
        _publish(staging, destination_root / digest)
    record_write(record, manifest=manifest, sha256=digest)
    return digest


def manifest_sha256(manifest: Manifest) -> str:
    """The digest that names a model's folder; the order of files does not matter."""
    rows = sorted([row["path"], row["size"], row["sha256"]] for row in manifest)
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def staging_sweep(destination_root: Path) -> None:
    """Remove what killed processes left half-way; copies under way hold a lock and stay."""
    for lock_path in destination_root.glob(f"{STAGING}*.lock"):
        try:
            with lock_path.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
                lock_path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process is at it


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """A folder of this copy alone; gone afterwards, unless it was published."""
    staging_sweep(root)
    lock, staging = _locked(root)
    try:
        staging.mkdir(mode=0o755)
        yield staging
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Unavailable(
            _("The model's files cannot be copied: %(cause)s.") % {"cause": error.strerror},
            code=DISK_FULL if full else None,
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        Path(lock.name).unlink(missing_ok=True)
        lock.close()


def _locked(root: Path) -> tuple[IO[bytes], Path]:
    """A new staging path and its lock file, which nobody swept between making and locking."""
    while True:
        staging = root / f"{STAGING}{secrets.token_hex(8)}"
        lock = Path(f"{staging}.lock").open("xb")  # noqa: SIM115 (closed by the caller)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a sweep was quicker and removes it
            lock.close()
            continue
        if os.path.lexists(lock.name):
            return lock, staging
        lock.close()


def _copy(folder: ModelFolder, item: ModelFile, staging: Path) -> dict[str, str | int]:
    target = staging / item.path
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with folder.open(item.path) as source, target.open("xb") as copy:
        for chunk in chunks(source):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
        copy.flush()
        os.fsync(copy.fileno())  # the folder's name promises the content, power cut or not
    target.chmod(0o444)
    return {"path": item.path, "size": size, "sha256": digest.hexdigest()}


def chunks(source: IO[bytes]) -> Iterator[bytes]:
    """What is left of a stream, in pieces."""
    while chunk := source.read(CHUNK):
        yield chunk


def _publish(staging: Path, final: Path) -> None:
    """Give the finished copy its name; the first of several counts, they are equal."""
    for path in (staging, *(path for path in staging.rglob("*") if path.is_dir())):
        path.chmod(0o755)  # whatever the umask is: services may run as another user
    try:
        staging.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def _check_files(files: list[ModelFile], *, needs_mlmodel: bool) -> None:
    if not files:
        raise NotFound(_("The version has no files: they were deleted, or never logged."))
    if needs_mlmodel and not any(item.path == "MLmodel" for item in files):
        raise Invalid(_("The folder has no MLmodel file, so it is not an MLflow model."))


def _check_space(root: Path, size: int) -> None:
    free = shutil.disk_usage(root).free
    needed = size + settings.SLIPWAY.min_free_bytes
    if free < needed:
        raise Unavailable(
            _(
                "The disk is too full to copy the model: %(free)s MB are free, %(needed)s MB are "
                "needed (the model and the reserve of SLIPWAY_MIN_FREE)."
            )
            % {"free": free // 1_000_000, "needed": -(-needed // 1_000_000)},
            code=DISK_FULL,
        )
