"""Several inputs as one, and the result of one call as several."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np


class Records(dict):  # type: ignore[type-arg]
    """Named columns of one length, answered as records: what a frame would be, without pandas."""


def layout(data: Any) -> Hashable | None:
    """Return what must be equal for inputs to be scored together, or None for never.

    Frames: names and types of the columns; arrays: type and shape but for the first side.
    """
    if isinstance(data, np.ndarray):
        return ("array", data.dtype.str, data.shape[1:]) if data.ndim and len(data) else None
    if isinstance(data, dict):
        return _layout_of_arrays(data)
    if is_frame(data):
        return _layout_of_frame(data)
    return None


def _layout_of_arrays(data: dict[Any, Any]) -> Hashable | None:
    if not data or not all(isinstance(value, np.ndarray) and value.ndim for value in data.values()):
        return None
    if len({len(value) for value in data.values()}) != 1 or not rows(data):
        return None
    return ("arrays", *((n, v.dtype.str, v.shape[1:]) for n, v in data.items()))


def _layout_of_frame(frame: Any) -> Hashable | None:
    names = list(frame.columns)
    if not len(frame) or len(set(names)) != len(names):
        return None
    return ("frame", *((name, str(kind)) for name, kind in zip(names, frame.dtypes)))  # noqa: B905


def rows(data: Any) -> int:
    """Return how many rows an input with a layout has."""
    return len(next(iter(data.values()))) if isinstance(data, dict) else len(data)


def is_frame(data: Any) -> bool:
    """Return whether this is a frame; does not import pandas."""
    pd = sys.modules.get("pandas")
    return pd is not None and isinstance(data, pd.DataFrame)


def merged(inputs: Sequence[Any]) -> Any:
    """Return inputs of one layout as one input."""
    first = inputs[0]
    if len(inputs) == 1:
        return first
    if isinstance(first, dict):
        return {name: np.concatenate([data[name] for data in inputs]) for name in first}
    if isinstance(first, np.ndarray):
        return np.concatenate(inputs)
    return sys.modules["pandas"].concat(inputs, ignore_index=True)


def parted(raw: Any, counts: Sequence[int]) -> list[Any] | None:
    """Return the result of a merged input per input, or None when it is not one item per row."""
    if isinstance(raw, dict):
        named = {name: parted(value, counts) for name, value in raw.items()}
        if not named or None in named.values():
            return None
        turns = zip(*[part for part in named.values() if part is not None])  # noqa: B905
        kind = type(raw)
        return [kind(zip(named, turn)) for turn in turns]  # noqa: B905  # Python 3.9
    pd = sys.modules.get("pandas")
    tabular = pd is not None and isinstance(raw, (pd.DataFrame, pd.Series))
    array = isinstance(raw, np.ndarray) and raw.ndim > 0
    if not (tabular or array or isinstance(raw, list)) or len(raw) != sum(counts):
        return None
    source = raw.iloc if tabular else raw
    parts = []
    start = 0
    for count in counts:
        parts.append(source[start : start + count])
        start += count
    return parts
