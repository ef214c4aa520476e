"""Charts of several runs: reads what one needs, and gives its figure or its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from studio.comparing.axes import exact
from studio.comparing.figures import draw
from studio.comparing.figures.base import Drawn
from studio.comparing.figures.curves import curves
from studio.comparing.settings import ChartSettings, settings_fill
from studio.experiments.columns import Column
from workspaces.tracking.history.reading import Axis, Series, histories_read, history_rows
from workspaces.tracking.values import Run


@dataclass(frozen=True)
class CompareChart:
    """A chart of runs as pages show it. `is_open`: some run is going, so it will change."""

    settings: ChartSettings
    drawn: Drawn
    title: str
    label: str  # what it shows, for people who do not see it
    is_open: bool


def chart_make(settings: ChartSettings, runs: Sequence[Run], best: str = "") -> CompareChart:
    """The chart of these runs. What the settings leave open is chosen.

    Args:
        best: the experiment's "min:NAME" or "max:NAME".
    Raises:
        Unavailable: curves are read from MLflow.
    """
    whole = settings_fill(settings, runs, best)
    if whole.kind == "curves":
        drawn = curves(whole, runs, _histories(whole, runs))
    else:
        drawn = draw(whole, runs)
    words = {"title": whole.title, "count": len(runs)}
    label = _("%(title)s, of %(count)s runs") % words
    return CompareChart(whole, drawn, whole.title, label, any(run.is_open for run in runs))


def chart_rows(settings: ChartSettings, runs: Sequence[Run], best: str = "") -> Iterator[list[Any]]:
    """The numbers behind a chart, exact and complete, a header first.

    Raises:
        Unavailable: when a row is read.
    """
    whole = settings_fill(settings, runs, best)
    if whole.kind == "curves":
        return _curve_rows(whole.metric, runs)
    if whole.kind == "importance":
        return _importance_rows(draw(whole, runs))
    return _value_rows(runs, columns_used(whole))


def _histories(settings: ChartSettings, runs: Sequence[Run]) -> Mapping[str, Series]:
    """What a chart of curves draws."""
    if not settings.metric:
        return {}
    axis: Axis = "step" if settings.axis == "step" else "time"
    return histories_read([run.id for run in runs], settings.metric, axis=axis)


def columns_used(settings: ChartSettings) -> list[Column]:
    """The columns that a chart shows, each once."""
    kept = [item.column for item in settings.keep]
    named = (settings.x, settings.y, settings.z, settings.group, settings.colour)
    found = [*settings.dims, *(column for column in named if column), *kept]
    return list({column.name: column for column in found}.values())


def _value_rows(runs: Sequence[Run], columns: Sequence[Column]) -> Iterator[list[Any]]:
    yield ["run_id", "run_name", *(column.name for column in columns)]
    for run in runs:
        yield [run.id, run.name, *(exact(run, column) for column in columns)]


def _curve_rows(metric: str, runs: Sequence[Run]) -> Iterator[list[Any]]:
    yield ["run_id", "run_name", "metric", "step", "timestamp", "value"]
    for run in runs:
        for step, at_ms, value in history_rows(run.id, metric):
            yield [run.id, run.name, metric, step, _moment(at_ms), repr(value)]


def _moment(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return str(at_ms)


def _importance_rows(drawn: Drawn) -> Iterator[list[Any]]:
    yield ["parameter", "importance", "trend", "chance", "runs", "values"]
    for item in drawn.table:
        trend = "" if item.trend is None else f"{item.trend:.6f}"
        numbers = [f"{item.share:.6f}", trend, f"{item.chance:.6g}", item.runs, item.values]
        yield [item.parameter, *numbers]
