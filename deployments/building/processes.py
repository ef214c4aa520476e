"""Run a tool for a long step: own session, output line by line, cancel ends the whole group."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

TICK = 0.3  # seconds between looks at `cancelled`
WATCH_TICK = 0.1  # seconds between looks at a process that is watched
MAX_LINE = 256 * 1024  # bytes; what a program writes without an end of line is cut there
GRACE = 3.0  # seconds between SIGTERM and SIGKILL


class Cancelled(Exception):
    """The operation ended while the tool ran; its process group is gone."""


def run(
    command: Sequence[str],
    *,
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
    timeout: float,
    environment: Mapping[str, str],
    cwd: Path | str,
    account: Mapping[str, Any],
    watch: Callable[[int], None] | None = None,
) -> tuple[int, list[str]]:
    """Run until it ends; every line of output goes to `log`.

    Args:
        cancelled: asked about every 0.3 s; True ends the process group.
        timeout: seconds.
        account: see `pythons.service_account`.
        watch: called with the process's id about every 0.1 s; what it raises ends the group.
    Returns:
        exit code and the last 200 lines.
    Raises:
        Cancelled: `cancelled` said so. TimeoutError: it ran longer than `timeout`.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=cwd,
        env=dict(environment),
        **account,
    ) as process:
        try:
            return _follow(process, log, _Guard(cancelled, time.monotonic() + timeout, watch))
        finally:
            end_group(process)


class _Guard:
    """What ends a process before its time: cancel, its deadline, whoever watches it."""

    def __init__(
        self,
        cancelled: Callable[[], bool],
        deadline: float,
        watch: Callable[[int], None] | None,
    ) -> None:
        self._cancelled, self._deadline, self._watch = cancelled, deadline, watch
        self.tick = TICK if watch is None else WATCH_TICK
        self._asked = self._watched = 0.0

    def check(self, process: subprocess.Popen[bytes]) -> None:
        now = time.monotonic()
        if self._watch is not None and now - self._watched >= WATCH_TICK:
            self._watched = now
            self._watch(process.pid)
        if now - self._asked >= TICK:
            self._asked = now
            if self._cancelled():
                raise Cancelled
        if now > self._deadline:
            raise TimeoutError(f"{Path(str(process.args[0])).name} took too long")  # type: ignore[index]


def _follow(
    process: subprocess.Popen[bytes], log: Callable[[str], None], guard: _Guard
) -> tuple[int, list[str]]:
    assert process.stdout is not None
    tail: list[str] = []
    pending = b""
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            guard.check(process)
            if not selector.select(guard.tick):
                if process.poll() is not None:
                    break  # it ended; what it started may hold its output open
                continue
            data = process.stdout.read(65_536)
            if data == b"":
                break
            pending += data or b""
            *lines, pending = pending.split(b"\n")
            if len(pending) > MAX_LINE:
                lines, pending = [*lines, pending], b""
            tail = _emit(lines, tail, log)
    tail = _emit([pending] if pending else [], tail, log)
    while process.poll() is None:  # it closed its output and works on
        guard.check(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(guard.tick)
    return process.returncode, tail


def _emit(lines: list[bytes], tail: list[str], log: Callable[[str], None]) -> list[str]:
    texts = [line.decode("utf-8", errors="replace").rstrip("\r") for line in lines]
    if texts:
        log("\n".join(texts))
    return [*tail, *texts][-200:]


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process's whole session group: SIGTERM, then SIGKILL. No-op when it has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)
        os.killpg(process.pid, signal.SIGKILL)  # also of a leader that left others behind
        process.wait(timeout=GRACE)
