"""Fewer points for the same picture: chosen by MinMaxLTTB, with ends, extremes and gaps kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from workspaces.tracking.values import Point

FEWEST = 16


class Band(NamedTuple):
    """Lowest and highest value of each stretch, at the stretch's middle point."""

    x: Any
    low: Any
    high: Any


def drawn_indexes(x: Any, values: Any, most: int) -> Any:
    """Indexes, in order, of at most `most` points that draw the same line.

    The first and the last point, the lowest and the highest finite value are always among them,
    and of every stretch of values that are not finite one point, so that a gap stays a gap (with
    more gaps than a quarter of `most`, gaps spread evenly among them).

    Args:
        x: numpy array in rising order.
        values: numpy float64 array of the same length.
        most: at least 16.
    Raises:
        ValueError: `most` is too small to keep what must be kept.
    """
    import numpy as np

    if most < FEWEST:
        raise ValueError(f"at least {FEWEST} points are drawn")
    count = len(values)
    if count <= most:
        return np.arange(count)
    finite = np.isfinite(values)
    good = np.flatnonzero(finite)
    kept = [np.array([0, count - 1]), _gaps(finite, most // 4)]
    if good.size:
        inner = values[good]
        kept.append(good[[int(inner.argmin()), int(inner.argmax())]])
        room = most - len(np.unique(np.concatenate(kept)))
        kept.append(good[_line(x[good], inner, room)])
    return np.unique(np.concatenate(kept))


def downsample(points: Sequence[Point], most: int) -> list[Point]:
    """As `drawn_indexes`, of points in the order they are drawn in, by stretches of equal count."""
    import numpy as np

    values = np.array([point.value for point in points], dtype=np.float64)
    return [points[index] for index in drawn_indexes(np.arange(len(points)), values, most)]


def _gaps(finite: Any, most: int) -> Any:
    """The first index of each stretch without finite values; evenly thinned out to `most`."""
    import numpy as np

    before = np.concatenate(([True], finite[:-1]))
    starts = np.flatnonzero(~finite & before)
    if len(starts) <= most:
        return starts
    return starts[np.linspace(0, len(starts) - 1, most).astype(np.int64)]


def _line(x: Any, values: Any, most: int) -> Any:
    import numpy as np

    if len(values) <= most:
        return np.arange(len(values))
    from tsdownsample import MinMaxLTTBDownsampler

    place = np.ascontiguousarray(x, dtype=np.float64)
    numbers = np.ascontiguousarray(values, dtype=np.float64)
    sampler = MinMaxLTTBDownsampler()
    if place[0] == place[-1]:  # stretches of no length cannot be told apart by x
        found = sampler.downsample(numbers, n_out=most)
    else:
        found = sampler.downsample(place, numbers, n_out=most)
    return found.astype(np.int64)


def envelope(x: Any, values: Any, most: int) -> Band:
    """Lowest and highest finite value of at most `most` stretches of equal count."""
    import numpy as np

    finite = np.isfinite(values)
    x, values = x[finite], values[finite]
    stretches = min(most, len(values) // 5)
    if stretches < 2:
        return Band(x[:0], values[:0], values[:0])
    edges = np.linspace(0, len(values), stretches + 1).astype(np.int64)
    middle = (edges[:-1] + edges[1:]) // 2
    middle[0], middle[-1] = 0, len(values) - 1  # the band is as long as the line
    return Band(
        x[middle],
        np.minimum.reduceat(values, edges[:-1]),
        np.maximum.reduceat(values, edges[:-1]),
    )


def smoothed(values: Any, weight: float) -> Any:
    """The exponential moving average, corrected for its start as TensorBoard's is.

    Args:
        weight: of what came before, 0 (nothing is smoothed) to below 1.
    Returns: an array as long as `values`; NaN where a value is not finite.
    """
    import numpy as np
    import pandas as pd

    finite = np.isfinite(values)
    clean = pd.Series(np.where(finite, values, np.nan))
    mean = clean.ewm(alpha=1 - weight, adjust=True, ignore_na=True).mean().to_numpy()
    return np.where(finite, mean, np.nan)
