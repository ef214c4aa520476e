"""`run/processes.json`: which processes a supervisor started, so that the next one finds them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil

from studio.supervisor.folder import is_alive

MARK = "SLIPWAY_SUPERVISED"  # in the environment of every child: "<node id>:<name>"
GRACE = 5.0  # seconds between SIGTERM and SIGKILL for a leftover


class Records:
    """The children of this data folder, by name, with pid and creation time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.children: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                self.children = {k: v for k, v in found.items() if isinstance(v, dict)}

    def put(self, name: str, record: dict[str, Any]) -> None:
        self.children[name] = record
        self._write()

    def drop(self, name: str) -> None:
        if self.children.pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        temporary = self.path.with_name(self.path.name + ".new")
        temporary.write_text(json.dumps(self.children), encoding="utf-8")
        temporary.replace(self.path)

    def end_leftovers(self, node: str, *, keep: frozenset[str] = frozenset()) -> list[str]:
        """End what an earlier supervisor left running, except `keep`; return the names.

        Local services are not among them: they are sessions of their own and live on.
        """
        groups: dict[str, list[psutil.Process]] = {}
        for name, record in self.children.items():
            if name not in keep and (members := leftovers(record, f"{node}:{name}")):
                groups[name] = members
        everyone = [process for members in groups.values() for process in members]
        _signal(everyone, signal.SIGTERM)
        _gone, alive = psutil.wait_procs(everyone, timeout=GRACE)
        _signal(alive, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=GRACE)
        for name in [name for name in self.children if name not in keep]:
            self.drop(name)
        return sorted(groups)


def leftovers(record: dict[str, Any], mark: str) -> list[psutil.Process]:
    """The processes of a recorded child's group: the child, and what it forked.

    The group's number may belong to somebody else by now, so each member must be the recorded
    process itself or carry our mark.
    """
    group = record.get("pid")
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) != group:
                continue
            itself = process.pid == group and is_alive(record)
            if itself or process.environ().get(MARK) == mark:
                found.append(process)
    return found


def kill_group(pid: int) -> None:
    """SIGKILL what is left of the group of a child that just ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _signal(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def wait_for_end(record: dict[str, Any], seconds: float) -> bool:
    """Wait until the recorded process has ended; False when it has not in time."""
    deadline = time.monotonic() + seconds
    while is_alive(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
