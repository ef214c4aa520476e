"""Whether an answer is the one that was expected, and if not, where it differs first."""

from __future__ import annotations

import json
import math
from typing import Any

RELATIVE, ABSOLUTE = 1e-6, 1e-9  # of floating-point numbers; everything else must be equal
WRAPPED = "predictions"


def difference(expected: Any, got: Any) -> str:
    """Return where two JSON values differ first, as a sentence; "" when they agree.

    Whole numbers, texts, truth values and shapes must be equal; where one of two numbers has a
    fraction they may differ by a millionth. An answer wrapped as {"predictions": …} is compared
    with what is expected inside it when only one of the two is wrapped.
    """
    if _wraps(got) and not _wraps(expected):
        got = got[WRAPPED]
    elif _wraps(expected) and not _wraps(got):
        expected = expected[WRAPPED]
    return _differ(expected, got, "")


def _wraps(value: Any) -> bool:
    return isinstance(value, dict) and WRAPPED in value


def _differ(expected: Any, got: Any, path: str) -> str:
    if _is_number(expected) and _is_number(got):
        return "" if _near(expected, got) else _unequal(expected, got, path)
    if type(expected) is not type(got):
        return _unequal(expected, got, path)
    if isinstance(expected, list):
        if len(expected) != len(got):
            where = f" at {path}" if path else ""
            return f"{len(expected)} items were expected{where}, the answer has {len(got)}."
        for place, (one, other) in enumerate(zip(expected, got)):  # noqa: B905  # Python 3.9
            if found := _differ(one, other, f"{path}[{place}]"):
                return found
        return ""
    if isinstance(expected, dict):
        if expected.keys() != got.keys():
            return _unequal(sorted(expected), sorted(got), f"{path} (names)".strip())
        for name in expected:
            if found := _differ(expected[name], got[name], f"{path}.{name}".lstrip(".")):
                return found
        return ""
    return "" if expected == got else _unequal(expected, got, path)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _near(left: float, right: float) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    try:
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except OverflowError:  # an integer beyond every float
        return False


def _unequal(expected: Any, got: Any, path: str) -> str:
    where = f" at {path}" if path else ""
    return f"{_shown(expected)} was expected{where}, the answer has {_shown(got)}."


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "…"
