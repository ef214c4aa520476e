"""What a person asked of a chart: axis, smoothing, scale and the stretch that is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

AXES = ("step", "time", "relative")
UNITS = {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}  # milliseconds
SMOOTHEST = 0.999
LATEST_MS = 2**53  # what JSON and the browser count to


@dataclass(frozen=True)
class ChartView:
    """The state of a chart in its query string.

    `low` and `high` are in the axis' own measure: steps, milliseconds since 1970, or `unit`s since
    `origin` (milliseconds since 1970).
    """

    axis: str = "step"
    smooth: float = 0.0
    log: bool = False
    band: bool = False
    low: float | None = None
    high: float | None = None
    origin: int | None = None
    unit: str = ""

    @classmethod
    def of(cls, parameters: QueryDict) -> ChartView:
        """What cannot be used falls back to the default."""
        axis = parameters.get("axis", "")
        unit = parameters.get("unit", "")
        low, high = (_number(parameters.get(name)) for name in ("low", "high"))
        if low is not None and high is not None and low > high:
            low, high = high, low
        origin = _number(parameters.get("origin"))
        return cls(
            axis=axis if axis in AXES else "step",
            smooth=min(max(_number(parameters.get("smooth")) or 0.0, 0.0), SMOOTHEST),
            log=parameters.get("log") == "1",
            band=parameters.get("band") == "1",
            low=low,
            high=high,
            origin=None if origin is None else int(origin),
            unit=unit if unit in UNITS else "",
        )

    def with_origin(self, origin: int, unit: str) -> ChartView:
        return replace(self, origin=origin, unit=unit)

    @property
    def store_axis(self) -> Any:
        """The axis of `workspaces.tracking.history.reading` that this one is read by."""
        return "step" if self.axis == "step" else "time"

    @property
    def store_range(self) -> tuple[float | None, float | None]:
        """What must be read of the history: all of it for an average that runs from its start."""
        if self.axis != "relative":
            return (None if self.smooth else self.low), self.high
        if self.origin is None or not self.unit:
            return None, None
        low, high = (
            None if value is None else self.origin + value * UNITS[self.unit]
            for value in (self.low, self.high)
        )
        return (None if self.smooth else low), high

    def inside(self, x: Any) -> Any:
        """Which of these positions are in the stretch looked at: an array of truths."""
        import numpy as np

        found = np.ones(len(x), dtype=bool)
        if self.low is not None:
            found &= x >= self.low
        if self.high is not None:
            found &= x <= self.high
        return found


def unit_of(span_ms: int) -> str:
    """The largest unit of which a span has at least three."""
    return next((unit for unit in ("d", "h", "min") if span_ms >= 3 * UNITS[unit]), "s")


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= LATEST_MS else None
