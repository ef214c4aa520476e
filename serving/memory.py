"""Memory of a process tree in MB (2**20 bytes)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from serving.contract import MB


def tree(pid: int) -> list[int]:
    """Return `pid` and its descendants; cheap on Linux, where only this tree is read."""
    found = [pid]
    for parent in found:
        found.extend(_children(parent))
    return found


def _children(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return _children_portable(pid)
    children: list[int] = []
    for thread in threads:
        try:
            children.extend(map(int, (thread / "children").read_text("ascii").split()))
        except OSError:
            continue  # the thread ended meanwhile
    return children


def _children_portable(pid: int) -> list[int]:
    if Path("/proc/self").exists():
        return []  # Linux: the process is gone
    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def resident(pids: list[int]) -> float:
    """Return the resident size of the processes; shared pages count in each: an upper bound."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total / MB


def proportional(pids: list[int]) -> float:
    """Return the proportional set size of the processes; the resident size where there is none."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            try:
                total += process.memory_full_info().pss
            except (psutil.AccessDenied, AttributeError):
                total += process.memory_info().rss
    return total / MB
