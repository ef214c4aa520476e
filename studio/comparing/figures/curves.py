"""One metric of many runs over steps or time. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from studio.charts.colours import mark_of
from studio.charts.downsampling import drawn_indexes, smoothed
from studio.charts.figure import MARKERS_UP_TO
from studio.comparing.axes import plain
from studio.comparing.figures.base import Drawn, layout, legend_below, short
from studio.comparing.settings import AXES, ChartSettings
from workspaces.tracking.history.reading import Series
from workspaces.tracking.values import Run

MOST_DRAWN = 8_000  # points of all lines; about 160 KB
FEWEST_DRAWN = 60  # of one line
LEGEND_UP_TO = 20  # with more runs the name under the pointer has to do
MARKED_LINES = 10  # with more lines the dots hide them
MOST_BARS = 40


def curves(settings: ChartSettings, runs: Sequence[Run], histories: Mapping[str, Series]) -> Drawn:
    """A line per run that has logged the metric."""
    if not settings.metric:
        return Drawn(empty=_("Choose a metric: these runs have none."))
    having = [run for run in runs if run.id in histories and len(histories[run.id])]
    if not having:
        return Drawn(empty=_("No run has logged “%(metric)s”.") % {"metric": settings.metric})
    if all(len(histories[run.id]) == 1 for run in having):
        return Drawn(_bars(settings, having, histories), _notes(settings, runs, having, histories))
    most = max(MOST_DRAWN // len(having), FEWEST_DRAWN)
    lines = [_line(settings, run, histories[run.id], most, len(having)) for run in having]
    figure = {"data": lines, "layout": _layout(settings, len(having))}
    return Drawn(figure, _notes(settings, runs, having, histories, most))


def _bars(
    settings: ChartSettings, having: Sequence[Run], histories: Mapping[str, Series]
) -> dict[str, Any]:
    """A metric that every run has logged once: a bar per run says more than dots on a line."""
    values = [float(histories[run.id].values[0]) for run in having]
    places = list(range(len(having)))
    bars = {
        "type": "bar",
        "x": places,
        "y": [short(value) if math.isfinite(value) else None for value in values],
        "text": [plain(run.name) for run in having],
        "textposition": "none",
        "customdata": [run.id for run in having],
        "marker": {"color": [mark_of(run.id).colour for run in having]},
        "hovertemplate": "<b>%{text}</b><br>%{y:.6g}<extra></extra>",
    }
    found = layout(height=340, margin={"l": 64, "r": 24, "t": 16, "b": 48})
    named = len(having) <= MOST_BARS
    found["xaxis"] |= {
        "tickvals": places if named else [],
        "ticktext": [plain(run.name, 20) for run in having],
        "title": {"text": _("Runs")},
    }
    if "y" in settings.log:
        found["yaxis"]["type"] = "log"
    return {"data": [bars], "layout": found}


def _line(
    settings: ChartSettings, run: Run, series: Series, most: int, lines: int
) -> dict[str, Any]:
    x, values = _places(series, settings.axis), series.values
    if settings.smooth:
        values = smoothed(values, settings.smooth)
    chosen = drawn_indexes(x, values, most)
    mark = mark_of(run.id)
    few = len(series) <= MARKERS_UP_TO and lines <= MARKED_LINES
    return {
        "type": "scatter",
        "mode": "lines+markers" if few or len(series) == 1 else "lines",
        "x": x[chosen].tolist(),
        "y": [short(y) if math.isfinite(y) else None for y in values[chosen].tolist()],
        "name": plain(run.name),
        "line": {"width": 1.5, "color": mark.colour, "dash": mark.dash},
        "marker": {"size": 4},
        "connectgaps": False,
        "meta": run.id,
        "hovertemplate": "<b>%{fullData.name}</b><br>%{x}<br>%{y:.6g}<extra></extra>",
    }


def _places(series: Series, axis: str) -> Any:
    """Steps, milliseconds since 1970, or seconds since the first value; an array."""
    if axis == "step":
        return series.steps
    return series.times_ms if axis == "time" else (series.times_ms - series.times_ms.min()) / 1000


def _layout(settings: ChartSettings, lines: int) -> dict[str, Any]:
    label = str(AXES[settings.axis]) + (" (s)" if settings.axis == "relative" else "")
    found = layout(height=340, margin={"l": 64, "r": 24, "t": 16, "b": 48})
    if 1 < lines <= LEGEND_UP_TO:
        legend_below(found)
    found["xaxis"] |= {"title": {"text": label}}
    if settings.axis == "time":
        found["xaxis"]["type"] = "date"
    for side in settings.log:
        if side == "y" or settings.axis == "step":
            found[f"{side}axis"]["type"] = "log"
    return found


def _notes(
    settings: ChartSettings,
    runs: Sequence[Run],
    having: Sequence[Run],
    histories: Mapping[str, Series],
    most: int = 1,
) -> list[str]:
    notes = []
    lacking = len(runs) - len(having)
    if lacking:
        text = ngettext("%(n)s run has not logged it.", "%(n)s runs have not logged it.", lacking)
        notes.append(text % {"n": lacking})
    found = [histories[run.id] for run in having]
    if any(len(series) > most for series in found):
        notes.append(
            _("Long lines are drawn with fewer points; their lowest and highest are among them.")
        )
    if not all(series.complete for series in found):
        notes.append(_("Of the longest runs a selection was read, with lowest and highest."))
    odd = sum(int((~np.isfinite(series.values)).sum()) for series in found)
    if odd:
        text = ngettext(
            "%(n)s value is not a number or infinite and leaves a gap.",
            "%(n)s values are not numbers or infinite and leave gaps.",
            odd,
        )
        notes.append(text % {"n": odd})
    if settings.smooth:
        notes.append(_("Lines are smoothed; the CSV holds the logged values."))
    return notes
