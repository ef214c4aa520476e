"""Metric histories as arrays of numbers: a million points are 24 MB, not a million objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workspaces.tracking.values import LARGEST

Axis = Literal["step", "time"]
ROW = np.dtype([("step", "i8"), ("time", "i8"), ("value", "f8"), ("nan", "?")])  # as MLflow stores


@dataclass(frozen=True)
class Series:
    """The values of one metric of one run, in the order of the axis that was asked for.

    `complete` is False when there are more points; those that are here are then spread over the
    whole range and have its lowest and highest values.
    """

    steps: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]  # not a number and the infinities are themselves
    complete: bool = True

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class Tail:
    """What came since a mark: drop what is from `since_ms` on (None: nothing), append `series`.

    With `whole` the series is everything, and all that was known is dropped. `mark` is for the
    next question; it is text without spaces that only `history_since` reads.
    """

    series: Series
    mark: str
    since_ms: int | None = None
    whole: bool = False


def series_of(rows: NDArray[Any], axis: Axis = "step", *, complete: bool = True) -> Series:
    """Stored rows (dtype `ROW`) as a series in order."""
    values = np.where(rows["nan"], np.nan, rows["value"])
    over = np.abs(values) >= LARGEST
    values[over] = np.copysign(np.inf, values[over])
    return ordered(Series(rows["step"].copy(), rows["time"].copy(), values, complete), axis)


def series_from(
    points: Sequence[tuple[int, int, float]], axis: Axis = "step", *, complete: bool = True
) -> Series:
    """Points (step, milliseconds, value) as a series in order."""
    rows = np.zeros(len(points), ROW)
    if points:
        rows["step"], rows["time"], rows["value"] = zip(*points, strict=True)
        rows["nan"] = np.isnan(rows["value"])
    return series_of(rows, axis, complete=complete)


def ordered(series: Series, axis: Axis) -> Series:
    """By step or time, then by the other, then by value; cheap when that is so already."""
    major, minor = series.steps, series.times_ms
    if axis == "time":
        major, minor = minor, major
    if bool(np.all(major[1:] > major[:-1])):
        return series
    return taken(series, np.lexsort((series.values, minor, major)))


def taken(series: Series, which: Any) -> Series:
    """The points at some indexes or of a mask."""
    return Series(
        series.steps[which], series.times_ms[which], series.values[which], series.complete
    )


def clipped(series: Series, axis: Axis, low: float | None, high: float | None) -> Series:
    """The points of a range, its ends included."""
    if low is None and high is None:
        return series
    along = series.steps if axis == "step" else series.times_ms
    inside = np.ones(len(series), dtype=bool)
    if low is not None:
        inside &= along >= low
    if high is not None:
        inside &= along <= high
    return taken(series, inside)


def extended(series: Series, tail: Tail, axis: Axis = "step") -> Series:
    """A series that is known, with what came since."""
    if tail.whole:
        return ordered(tail.series, axis)
    kept = series if tail.since_ms is None else taken(series, series.times_ms < tail.since_ms)
    both = Series(
        np.concatenate([kept.steps, tail.series.steps]),
        np.concatenate([kept.times_ms, tail.series.times_ms]),
        np.concatenate([kept.values, tail.series.values]),
        series.complete and tail.series.complete,
    )
    return ordered(both, axis)


def thinned(rows: NDArray[Any], factor: int) -> NDArray[Any]:
    """Of each `factor` stored rows the lowest, the highest and one that is not a number."""
    count = len(rows) // factor * factor
    nan = rows["nan"][:count].reshape(-1, factor)
    values = rows["value"][:count].reshape(-1, factor)
    first = np.arange(0, count, factor)
    lowest = first + np.where(nan, np.inf, values).argmin(axis=1)
    highest = first + np.where(nan, -np.inf, values).argmax(axis=1)
    odd = (first + nan.argmax(axis=1))[nan.any(axis=1)]
    kept = np.unique(np.concatenate([lowest, highest, odd, np.arange(count, len(rows))]))
    return np.take(rows, kept)
