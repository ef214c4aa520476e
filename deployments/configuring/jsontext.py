"""JSON as people read it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def pretty(value: Any, *, ascii_only: bool = False, indent: int = 0) -> str:
    """JSON of two spaces' indent, with a list of scalars on one line.

    Args:
        ascii_only: other characters as escapes, for programs that travel through consoles.
    """
    inner = " " * (indent + 2)
    outer = "\n" + " " * indent

    def below(item: Any) -> str:
        return pretty(item, ascii_only=ascii_only, indent=indent + 2)

    if isinstance(value, Mapping) and value:
        keys = {key: json.dumps(str(key), ensure_ascii=ascii_only) for key in value}
        rows = [f"{inner}{keys[key]}: {below(item)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + outer + "}"
    if isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        return "[\n" + ",\n".join(inner + below(item) for item in value) + outer + "]"
    return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)
