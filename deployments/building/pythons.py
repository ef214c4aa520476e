"""Python interpreters of this machine that a model can run on."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CACHE_SECONDS = 300
_asking = threading.Lock()


@dataclass(frozen=True)
class Python:
    minor: str  # "3.11"
    path: str


_answers: dict[str, tuple[float, dict[str, Python]]] = {}


def uv_binary() -> str:
    """Path of the uv that was installed with the studio."""
    beside = Path(sys.executable).parent / "uv"
    if beside.exists():
        return str(beside)
    from uv import find_uv_bin

    return str(find_uv_bin())


def service_account(user: str) -> dict[str, Any]:
    """Popen arguments that drop to the unprivileged user; empty when not started as root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def available(user: str) -> dict[str, Python]:
    """By minor, one interpreter that the service user can start; asked anew after 5 minutes.

    Asking takes seconds, so that callers at the same moment share one answer.
    """
    with _asking:
        kept = _answers.get(user)
        if kept is None or time.monotonic() - kept[0] > CACHE_SECONDS:
            kept = _answers[user] = (time.monotonic(), _ask(user))
    return dict(kept[1])


def find(user: str, minor: str) -> Python | None:
    """The interpreter of this minor that the service user can start, or None.

    One that was found before and still starts is taken at once, however old that answer is.
    """
    kept = _answers.get(user)
    python = kept[1].get(minor) if kept else None
    if python is not None and _starts(python.path, user):
        return python
    return available(user).get(minor)


def known(user: str) -> list[str]:
    """The minors that were found when somebody last looked, without looking; the studio's own."""
    kept = _answers.get(user)
    minors = {own_minor(), *(kept[1] if kept else ())}
    return sorted(minors, key=lambda text: [int(part) for part in text.split(".")])


def _ask(user: str) -> dict[str, Python]:
    # without a cache: the one of UV_CACHE_DIR belongs to the service user, not to root
    listing = (uv_binary(), "--no-cache", "python", "list")
    listed = subprocess.run(
        [*listing, "--only-installed", "--output-format", "json"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    entries = json.loads(listed.stdout or "[]")
    found: dict[str, Python] = {}
    for entry in entries:
        parts = entry["version_parts"]
        minor = f"{parts['major']}.{parts['minor']}"
        if entry.get("implementation", "cpython") != "cpython" or minor in found:
            continue
        # a virtual environment's own interpreter is not a base to build on
        path = os.path.realpath(entry["path"])
        if _starts(path, user):
            found[minor] = Python(minor, path)
    return found


def _starts(path: str, user: str) -> bool:
    """True when the service user can run it; root's own interpreter often lies in /root."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", "import ensurepip, ssl, sqlite3"],
            capture_output=True,
            timeout=20,
            check=False,
            cwd="/",
            **service_account(user),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 or b"ensurepip" in done.stderr


def own_minor() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
