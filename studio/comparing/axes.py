"""Values of runs along one axis of a chart: numbers where all are numbers, else words. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from studio.comparing.importance import number_parse
from studio.experiments.columns import Column, cell
from workspaces.tracking.values import Run

LONGEST_LABEL = 60
TIMES = ("start", "ended")  # columns of moments
FEWEST = 3  # runs that span a surface


def plain(text: object, longest: int = LONGEST_LABEL) -> str:
    """Text for Plotly, which reads what it shows as a small HTML; one line, shortened."""
    line = " ".join(str(text).split())
    if len(line) > longest:
        line = f"{line[: longest - 1]}…"
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class Axis:
    """A value per run, None where a run has none that can be drawn.

    `is_number`: all of them are finite floats; else they are words, shortened for Plotly.
    """

    column: Column
    values: tuple[Any, ...]
    is_number: bool
    is_time: bool = False

    @property
    def label(self) -> str:
        unit = " (s)" if self.column.name == "duration" else ""
        return plain(self.column.label + unit)

    @property
    def words(self) -> list[str]:
        """The different words, in the order of their names."""
        return sorted({value for value in self.values if value is not None})

    @property
    def missing(self) -> int:
        return sum(value is None for value in self.values)

    def places(self) -> list[float | None]:
        """Every value between 0 and 1: numbers by size, words by order; alone in the middle."""
        scale = self._scale()
        low, high = (min(scale.values()), max(scale.values())) if scale else (0.0, 0.0)
        if high == low:
            return [None if value is None else 0.5 for value in self.values]
        half = high / 2 - low / 2  # the difference itself may be too large for a float
        return [
            None if value is None else (scale[value] / 2 - low / 2) / half for value in self.values
        ]

    def _scale(self) -> dict[Any, float]:
        if self.is_number:
            return {value: value for value in self.values if value is not None}
        return {word: float(place) for place, word in enumerate(self.words)}


def axis_of(runs: Sequence[Run], column: Column) -> Axis:
    """The values of the runs in a column.

    Infinite values, and those that are not numbers, cannot be drawn and are None.
    """
    values = [cell(run, column) for run in runs]
    if column.name in TIMES:
        moments = [at.isoformat(timespec="milliseconds") if at else None for at in values]
        return Axis(column, tuple(moments), is_number=False, is_time=True)
    numbers = [_number(value) for value in values]
    there = [number for value, number in zip(values, numbers, strict=True) if value is not None]
    is_number = column.is_number or (bool(there) and None not in there)
    if is_number:
        return Axis(column, tuple(numbers), is_number=True)
    shown = _labels([str(value) for value in values if value not in (None, "")])
    words = [None if value in (None, "") else shown[str(value)] for value in values]
    return Axis(column, tuple(words), is_number=False)


def _labels(texts: Sequence[str]) -> dict[str, str]:
    """A label per text; texts that look the same when shortened are numbered."""
    found: dict[str, str] = {}
    seen: dict[str, int] = {}
    for text in sorted(set(texts)):
        label = plain(text)
        seen[label] = seen.get(label, 0) + 1
        found[text] = label if seen[label] == 1 else f"{label} ({seen[label]})"
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return number_parse(value)
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def exact(run: Run, column: Column) -> str:
    """The value of a run as it is, for a CSV; empty for none."""
    value = cell(run, column)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.3f}"
    return "" if value is None else (repr(value) if isinstance(value, float) else str(value))


def spans(x: Axis, y: Axis, z: Axis) -> bool:
    """Whether a surface can lie over these: enough runs, which differ in both directions."""
    triples = zip(x.values, y.values, z.values, strict=True)
    spots = {(a, b) for a, b, height in triples if None not in (a, b, height)}
    return len(spots) >= FEWEST and min(len(set(side)) for side in zip(*spots, strict=True)) > 1


def left_out(count: int, labels: Sequence[str]) -> str:
    """The sentence about runs that a chart cannot show; empty when it shows all."""
    if not count:
        return ""
    words = {"count": count, "names": ", ".join(labels)}
    if count == 1:
        return _("1 run has no value to draw for %(names)s and is left out.") % words
    return _("%(count)s runs have no value to draw for %(names)s and are left out.") % words
