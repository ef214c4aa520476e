"""The table of runs side by side: what differs between them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from studio.comparing.directions import best_of
from studio.experiments.columns import ATTRIBUTES, Column, cell
from workspaces.tracking.values import Run

MOST_CELLS = 6_000  # of one group; more makes a page slow to draw
FEWEST_ROWS = 30
LONGEST_VALUE = 160  # shown in a cell; the rest is in its title
ATTRIBUTE_KEYS = ("status", "start", "duration", "user", "source", "commit")


@dataclass(frozen=True)
class Cell:
    """A run's value of one row. `best`: no other run has a better one."""

    value: Any
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One fact of all the runs. `mode` is "min" or "max" for a metric that has a better side."""

    column: Column
    cells: tuple[Cell, ...]
    differs: bool
    mode: str = ""

    @property
    def label(self) -> str:
        return self.column.label


@dataclass(frozen=True)
class Group:
    """Facts of one kind. `total` of them there are, `differing` differ, `more` are not shown."""

    kind: str
    title: str
    rows: tuple[Row, ...]
    total: int
    differing: int
    more: int


def differences(
    runs: Sequence[Run],
    *,
    everything: bool = False,
    text: str = "",
    modes: Callable[[str], str] = lambda metric: "",
) -> list[Group]:
    """Parameters, metrics, tags and attributes of the runs, each group by name.

    Args:
        everything: also the facts that are the same in all runs.
        text: only names that contain it, whatever the case.
        modes: per metric "min", "max" or "".
    """
    titles = {
        "params": _("Parameters"),
        "metrics": _("Metrics"),
        "tags": _("Tags"),
        "attribute": _("Attributes"),
    }
    return [
        _group(kind, title, runs, everything=everything, text=text.strip().lower(), modes=modes)
        for kind, title in titles.items()
    ]


def _group(
    kind: str,
    title: str,
    runs: Sequence[Run],
    *,
    everything: bool,
    text: str,
    modes: Callable[[str], str],
) -> Group:
    columns = columns_of(runs, kind)
    differing = [column for column in columns if column_differs(runs, column)]
    shown = columns if everything else differing
    found = [column for column in shown if text in column.label.lower()]
    most = max(MOST_CELLS // max(len(runs), 1), FEWEST_ROWS)
    rows = tuple(
        _row(runs, column, modes(column.key) if kind == "metrics" else "")
        for column in found[:most]
    )
    return Group(kind, title, rows, len(columns), len(differing), max(len(found) - most, 0))


def columns_of(runs: Sequence[Run], kind: str) -> list[Column]:
    """What any of the runs has of a kind, by name; attributes in their own order."""
    if kind == "attribute":
        return [Column(kind, key) for key in ATTRIBUTE_KEYS if key in ATTRIBUTES]
    keys: set[str] = set()
    for run in runs:
        keys.update(run.own_tags if kind == "tags" else getattr(run, kind))
    return [Column(kind, key) for key in sorted(keys)]


def column_differs(runs: Sequence[Run], column: Column) -> bool:
    """Whether not all runs have the same value; having none is a value of its own.

    A metric that is not a number is the same as another that is not.
    """
    return len({_comparable(cell(run, column)) for run in runs}) > 1


def _comparable(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def _row(runs: Sequence[Run], column: Column, mode: str) -> Row:
    values = [cell(run, column) for run in runs]
    best: set[str] = set()
    if mode:
        numbers: Mapping[str, float] = {
            str(place): value for place, value in enumerate(values) if value is not None
        }
        best = best_of(numbers, mode)
    cells = tuple(Cell(value, str(place) in best) for place, value in enumerate(values))
    return Row(column, cells, len({_comparable(value) for value in values}) > 1, mode)
