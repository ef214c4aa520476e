"""What every CSV of the studio does to be safe to open in a spreadsheet."""

from __future__ import annotations

import re
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?(\d|\.\d)[\d.]*([eE][+-]?\d+)?|[+-]?(inf|nan)", re.ASCII)


def cell_safe(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value
