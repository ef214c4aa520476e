"""Figures of metric histories: plain JSON, small enough to be sent, drawn by Plotly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from studio.charts.downsampling import drawn_indexes, envelope, smoothed
from studio.charts.view import UNITS, ChartView, unit_of
from workspaces.tracking.history.reading import Series

MOST_DRAWN = 1_500
MOST_STRETCHES = 200
MARKERS_UP_TO = 40  # with more points the line alone is easier to read
FAINT = "66"  # alpha of the raw line below a smoothed one
PALE = "2e"  # alpha of the band


@dataclass(frozen=True)
class _Drawn:
    """What of a series is drawn: positions on the axis and values, with None for gaps."""

    x: list[float]
    raw: list[float | None]
    smooth: list[float | None]
    band: tuple[list[float], list[float | None], list[float | None]] | None


def metric_figure(key: str, series: Series, view: ChartView, colour: str) -> dict[str, Any]:
    """The line of one metric as `{"data", "layout", "meta"}`.

    `meta` has what a page tells beside the chart: `points` and `drawn`, `notes` (sentences),
    `origin` and `unit`, which later questions about the same chart repeat.
    """
    view = _settled(view, series)
    drawn = _draw(series, view)
    return {
        "data": _traces(key, drawn, view, colour),
        "layout": _layout(view),
        "meta": {
            "points": len(series.values),
            "drawn": len(drawn.x),
            "origin": view.origin,
            "unit": view.unit,
            "notes": list(_notes(series, len(drawn.x), view)),
        },
    }


def _settled(view: ChartView, series: Series) -> ChartView:
    """Relative time counts from the first value, in a unit that fits; asked again, as before."""
    if view.axis != "relative" or not len(series.times_ms):
        return view
    origin = view.origin if view.origin is not None else int(series.times_ms.min())
    unit = view.unit or unit_of(int(series.times_ms.max()) - origin)
    return view.with_origin(origin, unit)


def places(series: Series, view: ChartView) -> Any:
    """Where the points are on the axis: steps, milliseconds since 1970, units since the start."""
    if view.axis == "step":
        return series.steps
    if view.axis == "time":
        return series.times_ms
    return (series.times_ms - (view.origin or 0)) / UNITS[view.unit or "s"]


def _draw(series: Series, view: ChartView) -> _Drawn:
    x, values = places(series, view), series.values
    smooth = smoothed(values, view.smooth) if view.smooth else values
    inside = view.inside(x)
    x, values, smooth = x[inside], values[inside], smooth[inside]
    chosen = drawn_indexes(x, values, MOST_DRAWN)
    band = None
    if view.band:
        low_high = envelope(x, values, MOST_STRETCHES)
        band = (_short(low_high.x), _short(low_high.low), _short(low_high.high))
    return _Drawn(
        x=_short(x[chosen]),
        raw=_short(values[chosen]),
        smooth=_short(smooth[chosen]) if view.smooth else [],
        band=band if band and band[0] else None,
    )


def _short(numbers: Any) -> list[Any]:
    """Whole numbers as they are, others with ten significant digits; None for what is not one."""
    if numbers.dtype.kind == "i":
        return list(numbers.tolist())
    return [float(f"{value:.10g}") if math.isfinite(value) else None for value in numbers.tolist()]


def _traces(key: str, drawn: _Drawn, view: ChartView, colour: str) -> list[dict[str, Any]]:
    name = key.replace("&", "&amp;").replace("<", "&lt;")  # Plotly reads names as a small HTML
    mode = "lines+markers" if len(drawn.x) <= MARKERS_UP_TO else "lines"
    base = {"type": "scatter", "x": drawn.x, "connectgaps": False}
    hover = "%{x}<br><b>%{y:.6g}</b><extra></extra>"
    raw = {
        **base,
        "y": drawn.raw,
        "name": name,
        "mode": mode,
        "line": {"width": 2, "color": colour},
        "marker": {"size": 5, "color": colour},
        "hovertemplate": hover,
    }
    traces = [*_band_traces(drawn, colour)]
    if not view.smooth:
        return [*traces, raw]
    faint = colour + FAINT
    raw |= {"line": {"width": 1, "color": faint}, "marker": {"size": 4, "color": faint}}
    raw["hoverinfo"] = "skip"
    raw.pop("hovertemplate")
    smooth = {
        **base,
        "y": drawn.smooth,
        "customdata": drawn.raw,
        "name": name,
        "mode": "lines" if len(drawn.x) > 1 else "markers",
        "line": {"width": 2, "color": colour},
        "marker": {"size": 5, "color": colour},
        "hovertemplate": f"%{{x}}<br><b>%{{y:.6g}}</b><br>{_('logged')}: "
        "%{customdata:.6g}<extra></extra>",
    }
    return [*traces, raw, smooth]


def _band_traces(drawn: _Drawn, colour: str) -> Iterable[dict[str, Any]]:
    if drawn.band is None:
        return
    x, low, high = drawn.band
    edge = {"type": "scatter", "x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    yield {**edge, "y": low, "name": "min"}
    yield {**edge, "y": high, "name": "max", "fill": "tonexty", "fillcolor": colour + PALE}


def _layout(view: ChartView) -> dict[str, Any]:
    titles = {
        "step": _("Step"),
        "time": _("Time"),
        "relative": {
            "s": _("Seconds since the start"),
            "min": _("Minutes since the start"),
            "h": _("Hours since the start"),
            "d": _("Days since the start"),
        }[view.unit or "s"],
    }
    return {
        "height": 260,
        "margin": {"l": 56, "r": 12, "t": 8, "b": 40},
        "showlegend": False,
        "hovermode": "x",
        "uirevision": view.axis,  # a zoom outlives new points, but not another axis
        "xaxis": {
            "title": {"text": titles[view.axis]},
            "zeroline": False,
            "type": "date" if view.axis == "time" else "linear",
        },
        "yaxis": {
            "zeroline": False,
            "type": "log" if view.log else "linear",
            "uirevision": f"{view.axis} {view.log}",
            "exponentformat": "power",
        },
    }


def _grouped(count: int) -> str:
    return number_format(count, force_grouping=True)


def _notes(series: Series, drawn: int, view: ChartView) -> Iterable[str]:
    import numpy as np

    inside = view.inside(places(series, view))
    values = series.values[inside]
    points = len(values)
    if not points:
        yield _("No value was logged.") if view.low is None else _("No value lies here.")
        return
    if drawn < points:
        words = {"drawn": _grouped(drawn), "points": _grouped(points)}
        text = _("%(drawn)s of %(points)s values are drawn, lowest and highest among them.")
        yield text % words
    if not series.complete:
        yield _("There are more values; a selection with the lowest and highest was read.")
    odd = int(points - np.isfinite(values).sum())
    if odd:
        yield ngettext(
            "%(n)s value is not a number or infinite and leaves a gap.",
            "%(n)s values are not numbers or infinite and leave gaps.",
            odd,
        ) % {"n": _grouped(odd)}
    below = int((values[np.isfinite(values)] <= 0).sum()) if view.log else 0
    if below:
        yield ngettext(
            "%(n)s value is not above 0 and has no place on a logarithmic axis.",
            "%(n)s values are not above 0 and have no place on a logarithmic axis.",
            below,
        ) % {"n": _grouped(below)}
