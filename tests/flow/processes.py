"""Processes of services, seen from outside."""

from __future__ import annotations

from pathlib import Path

import psutil


def masters(services: Path, name: str) -> list[psutil.Process]:
    """Masters of this service's replicas that live now."""
    return [process for process in replica_processes(services, name) if _is_master(process)]


def replica_processes(services: Path, name: str) -> list[psutil.Process]:
    """Masters and workers of this service that live now."""
    folder = f"{services / name}/"
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if any(part.startswith(folder) for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _is_master(process: psutil.Process) -> bool:
    try:
        return "replica" in process.cmdline()
    except psutil.Error:
        return False
