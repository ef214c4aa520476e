"""Histories kept for a while by this process: a zoom, and the next look, read only what is new."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from workspaces.tracking import store_id
from workspaces.tracking.history.reading import (
    Axis,
    Series,
    clipped,
    extended,
    history_read,
    history_since,
    ordered,
)

MOST_KEPT = 4_000_000  # points of all histories together: 100 MB
WORTH_KEEPING = 5_000  # points; fewer are read as quickly

Key = tuple[str, str, str]


@dataclass(frozen=True)
class _Kept:
    series: Series  # by step
    mark: str


_lock = threading.Lock()
_kept: OrderedDict[Key, _Kept] = OrderedDict()  # the last used at its end


def history(
    run_id: str,
    key: str,
    *,
    axis: Axis = "step",
    low: float | None = None,
    high: float | None = None,
) -> Series:
    """As `workspaces.tracking.history.reading.history_read`; what was logged meanwhile is in it."""
    place = (store_id(), run_id, key)
    with _lock:
        known = _kept.get(place)
    if known is None and (low is not None or high is not None):
        return history_read(run_id, key, axis=axis, low=low, high=high)
    tail = history_since(run_id, key, known.mark if known else "")
    series = extended(known.series, tail) if known else ordered(tail.series, "step")
    _keep(place, _Kept(series, tail.mark))
    return clipped(ordered(series, axis), axis, low, high)


def forget() -> None:
    """Drop what is kept."""
    with _lock:
        _kept.clear()


def _keep(place: Key, kept: _Kept) -> None:
    with _lock:
        _kept.pop(place, None)
        if len(kept.series) < WORTH_KEEPING or not kept.series.complete:
            return
        _kept[place] = kept
        while sum(len(other.series) for other in _kept.values()) > MOST_KEPT and len(_kept) > 1:
            _kept.popitem(last=False)
