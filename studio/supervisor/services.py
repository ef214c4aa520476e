"""Stops the replicas of local services. `desired` stays: the next `up` brings them back."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from deployments.guarded import file_read, file_write
from serving.contract import LOCK_FILE, RECORD_FILE, STOP_FILE
from studio.supervisor.folder import is_alive, is_locked

PATIENCE = 12.0  # seconds for requests that are being answered
TICK = 0.1


def running_replicas(services: Path) -> list[Path]:
    """Folders of the replicas whose master lives: <service>/<revision>/<replica>/ with its lock."""
    locks = sorted(services.glob(f"*/*/*/{LOCK_FILE}"))
    return [path.parent for path in locks if is_locked(path)]


def stop_all(
    services: Path, *, patience: float = PATIENCE, hurried: Callable[[], bool] = lambda: False
) -> list[str]:
    """Ask every replica to stop, wait, and kill what does not; return the services' names.

    Args:
        patience: seconds to wait before killing.
        hurried: asked while waiting; True kills at once.
    """
    replicas = running_replicas(services)
    for folder in replicas:
        with contextlib.suppress(OSError):  # it is gone, or its owner is in the way: it is killed
            file_write(folder / STOP_FILE, b"", 0o644)
    deadline = time.monotonic() + patience
    waiting = list(replicas)
    while waiting and time.monotonic() < deadline and not hurried():
        time.sleep(TICK)
        waiting = [folder for folder in waiting if is_locked(folder / LOCK_FILE)]
    for folder in waiting:
        _kill(folder)
    return sorted({folder.parent.parent.name for folder in replicas})


def _kill(folder: Path) -> None:
    """Kill a master that does not stop, and its workers; never by a number that may be reused."""
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        record = json.loads(file_read(folder / RECORD_FILE))
        if not is_alive(record):
            return
        master = psutil.Process(record["pid"])
        if master.uids().real != folder.stat().st_uid:
            return  # a record of a model's making that names another's process
        family = [master, *master.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(family, timeout=5)
