"""The data folder: who may see what in it, and the locks that keep two supervisors apart."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Any

import psutil

from config.env import Env
from config.paths import DataFolder
from deployments.guarded import folder_take
from studio.supervisor.problem import StartProblem

PRIVATE, PASSABLE = 0o700, 0o711


def prepare(env: Env) -> None:
    """Make the data folder and what lies directly in it.

    Started as root, services run as another user, who must be able to walk to the models,
    environments and runtimes but must not read anything else; otherwise it is all private.

    Raises:
        StartProblem: it cannot be written.
    """
    data = env.data
    shared = PASSABLE if os.geteuid() == 0 else PRIVATE
    try:
        _folder(data.root, shared)
        for path in (
            *(data.models, data.sources, data.environments, data.runtimes),
            *(data.services, data.tmp),
        ):
            _folder(path, shared)
        for path in (data.environments, data.tmp):
            folder_take(path)  # earlier versions gave it to the service user
        for path in (
            *(data.run, data.logs, data.redis, data.artifacts, data.operations),
            data.incoming,
        ):
            _folder(path, PRIVATE)
        for path, url in (
            (data.database, env.database_url),
            (data.tracking_database, env.tracking_uri),
        ):
            if url == f"sqlite:///{path}":
                # SQLite gives its -wal and -shm files the mode of the database
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                path.chmod(0o600)
        _socket_folder(data.socket("redis").parent, data.run)
    except OSError as error:
        raise StartProblem(
            f"The data folder {data.root} cannot be written ({error.strerror or error}): "
            "set SLIPWAY_DATA_DIR to a folder that can."
        ) from error


def _folder(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(path))


def _socket_folder(path: Path, run: Path) -> None:
    if path == run:
        return
    path.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(13, f"{path} belongs to somebody else", str(path))
    path.chmod(PRIVATE)


def identity(pid: int | None = None) -> dict[str, Any]:
    """What tells a process from a later one with the same number."""
    process = psutil.Process(pid)
    return {"pid": process.pid, "create_time": process.create_time()}


def is_alive(record: dict[str, Any]) -> bool:
    """Whether the process that `identity` described still runs (a zombie does not)."""
    try:
        process = psutil.Process(int(record["pid"]))
        same: bool = abs(process.create_time() - float(record["create_time"])) < 0.05
        return same and bool(process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


class UpLock:
    """`run/up.lock`: held by the supervisor for as long as it lives; holds its identity."""

    def __init__(self, data: DataFolder) -> None:
        self.path = data.run / "up.lock"
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the lock and write who we are; False when another supervisor holds it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self.write({})
        return True

    def write(self, facts: dict[str, Any]) -> None:
        """Say more about this supervisor: its URL, once known."""
        assert self._descriptor is not None
        text = json.dumps({**identity(), **facts}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> dict[str, Any] | None:
        """Who holds the lock now: pid, create_time and url; None when nobody does."""
        if not self.path.exists() or not is_locked(self.path):
            return None
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
        return {}


def is_locked(path: Path) -> bool:
    """Whether some process holds the flock of `path`; never waits."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # no lock at all, but a link or a pipe
            return False
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
