"""Locks as text: `name==version` on lines of their own, as uv and pip write them."""

from __future__ import annotations

import re

_PIN = re.compile(r"^([A-Za-z0-9][\w.\-]*)==([^\s;\\]+)", re.MULTILINE)


def pins(lock_text: str) -> list[tuple[str, str]]:
    """Name and version of each package of a lock, as they are written there and in its order."""
    return [(name, version) for name, version in _PIN.findall(lock_text)]
