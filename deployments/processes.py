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
) -> tuple[int, list[str]]:
    """Run until it ends; every line of output goes to `log`.

    Args:
        cancelled: asked about every 0.3 s; True ends the process group.
        timeout: seconds.
        account: see `pythons.service_account`.
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
            return _follow(process, log, cancelled, time.monotonic() + timeout)
        finally:
            end_group(process)


def _follow(
    process: subprocess.Popen[bytes],
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
    deadline: float,
) -> tuple[int, list[str]]:
    assert process.stdout is not None
    tail: list[str] = []
    pending = b""
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            _check(process, cancelled, deadline)
            if not selector.select(TICK):
                if process.poll() is not None:
                    break  # it ended; what it started may hold its output open
                continue
            data = process.stdout.read(65_536)
            if data == b"":
                break
            pending += data or b""
            *lines, pending = pending.split(b"\n")
            tail = _emit(lines, tail, log)
    tail = _emit([pending] if pending else [], tail, log)
    while process.poll() is None:  # it closed its output and works on
        _check(process, cancelled, deadline)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TICK)
    return process.returncode, tail


def _check(
    process: subprocess.Popen[bytes], cancelled: Callable[[], bool], deadline: float
) -> None:
    if cancelled():
        raise Cancelled
    if time.monotonic() > deadline:
        raise TimeoutError(f"{Path(str(process.args[0])).name} took too long")  # type: ignore[index]


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
