"""What a chart shows, as it stands in an address and in a pin. Pure.

A chart is named by `chart` (its kind) and the fields of that kind; columns are named as in the
table of runs ("metrics.rmse", "params.alpha", "duration"). What cannot be used is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _

from studio.comparing.axes import axis_of, spans
from studio.comparing.differences import column_differs, columns_of
from studio.comparing.directions import MODES
from studio.experiments.columns import LONGEST_NAME, Column, column_parse
from workspaces.tracking.values import Run

MOST_TRIED = 12  # parameters, for the first choice of a surface
KINDS: dict[str, Any] = {
    "curves": _("Curves"),
    "scatter": _("Scatter"),
    "parallel": _("Parallel coordinates"),
    "box": _("Box"),
    "contour": _("Contour"),
    "importance": _("Importance"),
}
ICONS = {
    "curves": "chart-line",
    "scatter": "chart-scatter",
    "parallel": "chart-no-axes-column",
    "box": "chart-candlestick",
    "contour": "layers",
    "importance": "chart-bar",
}
FIELDS: dict[str, tuple[str, ...]] = {  # per kind, the keys of the address that it reads
    "curves": ("metric", "axis", "log", "smooth"),
    "scatter": ("x", "y", "colour", "log"),
    "parallel": ("dim", "colour", "keep"),
    "box": ("y", "group", "log"),
    "contour": ("x", "y", "z"),
    "importance": ("metric",),
}
AXES: dict[str, Any] = {"step": _("Step"), "time": _("Time"), "relative": _("Relative time")}
MOST_DIMS = 12
USUAL_DIMS = 5
LOGS = ("x", "y")


@dataclass(frozen=True)
class Keep:
    """Only runs within these bounds are drawn in colour; None is no bound."""

    column: Column
    low: float | None
    high: float | None

    @property
    def name(self) -> str:
        low, high = ("" if end is None else repr(end) for end in (self.low, self.high))
        return f"{low}:{high}:{self.column.name}"


@dataclass(frozen=True)
class ChartSettings:
    """One chart. Only the fields of its kind are set; the rest have their defaults."""

    kind: str
    metric: str = ""
    axis: str = "step"
    smooth: float = 0.0  # weight of what came before, 0 to 0.99
    log: tuple[str, ...] = ()
    x: Column | None = None
    y: Column | None = None
    z: Column | None = None
    colour: Column | None = None
    group: Column | None = None
    dims: tuple[Column, ...] = ()
    keep: tuple[Keep, ...] = ()

    def as_lists(self) -> dict[str, list[str]]:
        """The keys and values of the address; `settings_parse` reads them again."""
        whole: dict[str, list[str]] = {
            "metric": [self.metric],
            "axis": [self.axis if self.axis != "step" else ""],
            "smooth": [f"{self.smooth:g}" if self.smooth else ""],
            "log": list(self.log),
            **{
                key: [column.name if column else ""]
                for key, column in (
                    ("x", self.x),
                    ("y", self.y),
                    ("z", self.z),
                    ("colour", self.colour),
                    ("group", self.group),
                )
            },
            "dim": [column.name for column in self.dims],
            "keep": [item.name for item in self.keep],
        }
        kept = {key: [value for value in whole[key] if value] for key in FIELDS[self.kind]}
        return {"chart": [self.kind], **{key: values for key, values in kept.items() if values}}

    def as_query(self, run_ids: Sequence[str] = ()) -> str:
        """The part of an address after "?", with runs when they are given."""
        pairs = [(key, value) for key, values in self.as_lists().items() for value in values]
        return urlencode([*(("run", run_id) for run_id in run_ids), *pairs])

    @property
    def title(self) -> str:
        """What the chart shows, in a few words."""
        kind = str(KINDS[self.kind])
        named = {
            "curves": self.metric,
            "importance": self.metric,
            "scatter": _joined(self.x, self.y),
            "box": _joined(self.group, self.y),
            "contour": _joined(self.x, self.y, self.z),
            "parallel": "",
        }[self.kind]
        return f"{kind}: {named}" if named else kind


def _joined(*columns: Column | None) -> str:
    return " × ".join(column.label for column in columns if column)


def settings_parse(lists: Mapping[str, Any]) -> ChartSettings:
    """Settings from lists of texts by key, as of an address or of a pin's JSON.

    An unknown kind is "curves"; anything else that cannot be read is as if it were not there.
    """
    texts = {key: _texts(values) for key, values in lists.items() if isinstance(key, str)}

    def first(key: str) -> str:
        return next(iter(texts.get(key, ())), "")

    kind = first("chart") if first("chart") in KINDS else "curves"
    fields = FIELDS[kind]
    columns = {key: column_parse(first(key)) for key in ("x", "y", "z", "colour", "group")}
    keeps = (_keep_parse(text) for text in texts.get("keep", ()))
    whole: dict[str, Any] = {
        "metric": _metric(first("metric")),
        "axis": first("axis") if first("axis") in AXES else "step",
        "smooth": _smooth(first("smooth")),
        "log": tuple(side for side in LOGS if side in texts.get("log", ())),
        **columns,
        "dims": _columns(texts.get("dim", ())),
        "keep": tuple({item.column.name: item for item in keeps if item}.values())[:MOST_DIMS],
    }
    names = {"dim": "dims"}
    return ChartSettings(
        kind, **{names.get(key, key): whole[names.get(key, key)] for key in fields}
    )


def _texts(values: Any) -> list[str]:
    listed = values if isinstance(values, list | tuple) else [values]
    return [text for text in listed[:200] if isinstance(text, str)]


def _metric(name: str) -> str:
    return name if len(name) <= LONGEST_NAME and name.isprintable() else ""


def _smooth(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return round(min(max(value, 0.0), 0.99), 3) if math.isfinite(value) else 0.0


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    found = (column_parse(name) for name in names)
    return tuple({column.name: column for column in found if column}.values())[:MOST_DIMS]


def _keep_parse(text: str) -> Keep | None:
    low, _first, rest = text.partition(":")
    high, _second, name = rest.partition(":")
    column = column_parse(name)
    try:
        bounds = [float(end) if end else None for end in (low, high)]
    except ValueError:
        return None
    if column is None or any(end is not None and not math.isfinite(end) for end in bounds):
        return None
    return Keep(column, bounds[0], bounds[1]) if bounds != [None, None] else None


def settings_fill(settings: ChartSettings, runs: Sequence[Run], best: str = "") -> ChartSettings:
    """The same settings, with a first choice where a person has made none.

    Args:
        best: the experiment's "min:NAME" or "max:NAME"; its metric comes before others.
    """
    metrics = metrics_usual(runs, best)
    first = Column("metrics", metrics[0]) if metrics else None
    varied = parameters_varied(runs)
    plane = _plane(runs, varied, metrics) if settings.kind == "contour" else []
    picks: dict[str, dict[str, Any]] = {
        "curves": {"metric": metrics[0] if metrics else ""},
        "importance": {"metric": metrics[0] if metrics else ""},
        "scatter": {"x": _nth(varied, 0) or _metric_column(metrics, 1), "y": first},
        "box": {"y": first, "group": _nth(varied, 0)},
        "contour": {
            "x": _nth(plane or varied, 0),
            "y": _nth(plane or varied, 1),
            "z": first,
        },
        "parallel": {"dims": (*varied[:USUAL_DIMS], *([first] if first else []))},
    }
    missing = {
        key: value
        for key, value in picks[settings.kind].items()
        if value and not getattr(settings, key) and not (key == "group" and settings.y)
    }
    return replace(settings, **missing)


def _plane(runs: Sequence[Run], varied: Sequence[Column], metrics: Sequence[str]) -> list[Column]:
    """Two columns that a surface can lie over: parameters rather than metrics; none if there are
    no two."""
    if not metrics:
        return []
    height = axis_of(runs, Column("metrics", metrics[0]))
    columns = [*varied[:MOST_TRIED], *(Column("metrics", key) for key in metrics[1:3])]
    sides = [axis for axis in (axis_of(runs, column) for column in columns) if axis.is_number]
    for x, y in itertools.combinations(sides, 2):
        if spans(x, y, height):
            return [x.column, y.column]
    return []


def _nth(columns: Sequence[Column], place: int) -> Column | None:
    return columns[place] if place < len(columns) else None


def _metric_column(metrics: Sequence[str], place: int) -> Column | None:
    return Column("metrics", metrics[place]) if place < len(metrics) else None


def metrics_usual(runs: Sequence[Run], best: str = "") -> list[str]:
    """Metrics of the runs: the experiment's own first, then those that most have as a number."""
    counts: dict[str, int] = {}
    for run in runs:
        for key, value in run.metrics.items():
            counts[key] = counts.get(key, 0) + math.isfinite(value)
    mode, _colon, chosen = best.partition(":")
    own = chosen if mode in MODES else ""
    system = "system/"  # MLflow's own, of the machine; seldom what runs are compared by
    return sorted(counts, key=lambda key: (key != own, key.startswith(system), -counts[key], key))


def parameters_varied(runs: Sequence[Run]) -> list[Column]:
    """Parameters that differ between the runs, those that most runs have first."""
    found = [column for column in columns_of(runs, "params") if column_differs(runs, column)]
    have = {column.key: sum(column.key in run.params for run in runs) for column in found}
    return sorted(found, key=lambda column: (-have[column.key], column.key))
