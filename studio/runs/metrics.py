"""The metrics of a run as its page shows them: searched, in groups, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from django.utils.translation import gettext as _

from workspaces.tracking.values import Run

SYSTEM = "system"  # MLflow logs those of the machine below this prefix
PAGE = 60


@dataclass(frozen=True)
class Metric:
    key: str
    value: float
    step: int

    @property
    def is_curve(self) -> bool:
        """Whether there is more than one value to be seen; known without reading its history."""
        return self.step > 0

    @property
    def label(self) -> str:
        """The name within its group."""
        return self.key.partition("/")[2] or self.key


@dataclass(frozen=True)
class Group:
    """Metrics with the same words before the first "/"; `name` is "" for those without one."""

    name: str
    metrics: tuple[Metric, ...]

    @property
    def title(self) -> str:
        return {"": _("Metrics"), SYSTEM: _("System metrics")}.get(self.name, self.name)

    @property
    def curves(self) -> tuple[Metric, ...]:
        return tuple(metric for metric in self.metrics if metric.is_curve)


@dataclass(frozen=True)
class MetricsPage:
    """One page of the metrics that were searched for. `number` counts from 1."""

    groups: tuple[Group, ...]
    found: int
    number: int
    pages: int

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(metric for group in self.groups for metric in group.metrics)


def group_of(key: str) -> str:
    name, slash, rest = key.partition("/")
    return name if slash and rest else ""


def metrics_page(run: Run, text: str = "", number: int = 1, only: str = "") -> MetricsPage:
    """The metrics whose name contains every word of `text`, whatever the case.

    Groups are in alphabetical order after the metrics without one; the machine's come last.

    Args:
        number: of the page; one that does not exist is the nearest that does.
        only: this one metric alone.
    """
    words = text.lower().split()
    keys = [key for key in run.metrics if all(word in key.lower() for word in words)]
    if only:
        keys = [key for key in run.metrics if key == only]
    keys.sort(key=_place)
    pages = max(-(-len(keys) // PAGE), 1)
    number = min(max(number, 1), pages)
    shown = keys[(number - 1) * PAGE : number * PAGE]
    return MetricsPage(_groups(shown, run.metrics, run.steps), len(keys), number, pages)


def _place(key: str) -> tuple[bool, str, str]:
    group = group_of(key)
    return group == SYSTEM, group, key


def _groups(
    keys: Sequence[str], values: Mapping[str, float], steps: Mapping[str, int]
) -> tuple[Group, ...]:
    return tuple(
        Group(name, tuple(Metric(key, values[key], steps.get(key, 0)) for key in members))
        for name, members in groupby(keys, key=group_of)
    )


def rows_of(points: Iterable[tuple[int, int, float]]) -> Iterator[str]:
    """(step, milliseconds, value) as lines of CSV: numbers as logged, to the last digit."""
    yield "step,timestamp_ms,time,value\r\n"
    for step, at_ms, value in points:
        try:
            moment = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
            time = moment.isoformat(timespec="milliseconds")
        except (OverflowError, ValueError, OSError):
            time = ""  # a time that no calendar has
        yield f"{step},{at_ms},{time},{_exact(value)}\r\n"


def _exact(value: float) -> str:
    """As pandas and every spreadsheet read it back."""
    if value != value:
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, repr(value))
