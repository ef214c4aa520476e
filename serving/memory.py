"""Memory of a process tree in MB (2**20 bytes)."""

from __future__ import annotations

import contextlib
import resource
import sys
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


def peak() -> float:
    """Return the most that this process ever had resident.

    From the kernel's own mark where there is one: `ru_maxrss` also counts what the parent had when
    it started this process.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii", errors="replace")
        marks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(marks[0]) / 1024
    except (OSError, IndexError, ValueError):
        scale = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / MB
