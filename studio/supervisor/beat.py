"""Starts Celery's beat under a lock: two beats would ask for every periodic task twice."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import NoReturn


def main(run: Path, log_level: str) -> NoReturn:
    """Take `run`/beat.lock, then become `celery beat`; the lock lives as long as that process."""
    lock = os.open(run / "beat.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("Another beat already runs in this data folder.")
    os.set_inheritable(lock, True)
    command = [
        *(sys.executable, "-m", "celery", "-A", "config", "beat", "--pidfile="),
        *("--schedule", str(run / "beat-schedule"), "--loglevel", log_level),
    ]
    os.execv(sys.executable, command)  # noqa: S606  no shell, and nothing comes back


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
