"""One supervised process: its command, its log, when it may be started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.supervisor import records

FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0  # seconds; doubles with each crash
CALM = 30.0  # seconds of life after which the next crash counts as the first
LOG_BYTES = 20_000_000  # a log above this is turned over while its process writes on
TAIL_BYTES = 8192


@dataclass(frozen=True)
class ChildSpec:
    """What to run, and how to end it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path
    stop_signal: int = signal.SIGTERM
    patience: float = 8.0  # seconds after the stop signal before SIGKILL
    insist_after: float | None = None  # seconds after the stop signal before SIGQUIT
    is_ready: Callable[[], bool] | None = None  # None: ready when it runs


@dataclass
class Child:
    """A process in a session of its own; stdout and stderr go to `logs`/<name>.log."""

    spec: ChildSpec
    logs: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    ready: bool = False
    due_at: float | None = None  # monotonic time of the next start after a crash
    backoff: float = field(default=FIRST_BACKOFF)
    asked_at: float = 0.0  # monotonic time of the stop signal
    insisted: bool = False

    @property
    def log_path(self) -> Path:
        return self.logs / f"{self.spec.name}.log"

    def start(self) -> int:
        """Start the process and return its pid."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.spec.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.spec.cwd,
                env=dict(self.spec.environment),
            )
        self.started_at, self.due_at, self.ready = time.monotonic(), None, False
        return self.process.pid

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def check_ready(self) -> bool:
        """Ask once whether it is ready, until it has been."""
        if not self.ready and self.is_running():
            self.ready = self.spec.is_ready is None or self.spec.is_ready()
        return self.ready

    def bury(self) -> tuple[int, float]:
        """Clean up after a crash; return the exit code and the seconds until the next start."""
        assert self.process is not None
        code = self.process.wait()
        records.kill_group(self.process.pid)  # a pool without its master must not work on
        self.process = None
        if time.monotonic() - self.started_at > CALM:
            self.backoff = FIRST_BACKOFF
        delay, self.backoff = self.backoff, min(LAST_BACKOFF, self.backoff * 2)
        self.due_at = time.monotonic() + delay
        return code, delay

    def ask_to_stop(self) -> None:
        """Send the stop signal; do not start again."""
        self.due_at = None
        self.asked_at, self.insisted = time.monotonic(), False
        self._send(self.spec.stop_signal)

    def insist(self) -> bool:
        """Go on ending a child that was asked to stop; return whether it has ended."""
        if not self.is_running():
            return True
        waited = time.monotonic() - self.asked_at
        insist_after = self.spec.insist_after
        if insist_after is not None and waited > insist_after and not self.insisted:
            self.insisted = True
            self._send(signal.SIGQUIT)
        if waited > self.spec.patience:
            self.kill()
            return True
        return False

    def _send(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the whole group and wait for it."""
        if self.process is None:
            return
        records.kill_group(self.process.pid)
        self.process.wait()
        self.process = None

    def last_line(self) -> str:
        """The last line that is not empty in its log: usually the reason of a crash."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - TAIL_BYTES))
                lines = log.read().decode("utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def turn_over_log(self, *, always: bool = False) -> None:
        """Keep one older log: by renaming at the start, by copying while the process runs."""
        older = self.log_path.with_suffix(".log.1")
        with contextlib.suppress(FileNotFoundError):
            if always:
                self.log_path.replace(older)
            elif self.log_path.stat().st_size > LOG_BYTES:
                older.write_bytes(self.log_path.read_bytes())
                os.truncate(self.log_path, 0)  # it was opened for appending
