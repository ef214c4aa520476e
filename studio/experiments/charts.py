"""Charts of metric histories: what is drawn is chosen here, Plotly draws it in the browser."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from workspaces.tracking_values import History, Point

MOST_DRAWN = 2_000
MARKERS_UP_TO = 40  # with more points the line alone is easier to read


@dataclass(frozen=True)
class Chart:
    """A Plotly figure as plain data, and what a person must know about it."""

    figure: dict[str, Any]
    points: int
    drawn: int
    undrawable: int  # not a number, or infinite
    complete: bool


def downsample(points: Sequence[Point], most: int = MOST_DRAWN) -> list[Point]:
    """At most `most` points that keep the first, the last and each stretch's extremes.

    Stretches are of equal count; from each its lowest and its highest finite value are kept, and
    a value that is not a number when there is one, so that a gap stays a gap.
    """
    if len(points) <= most:
        return list(points)
    buckets = max((most - 2) // 3, 1)
    inner = range(1, len(points) - 1)
    kept = {0, len(points) - 1}
    for bucket in range(buckets):
        low, high = bucket * len(inner) // buckets, (bucket + 1) * len(inner) // buckets
        kept.update(_extremes(points, inner[low:high]))
    return [points[index] for index in sorted(kept)]


def _extremes(points: Sequence[Point], indexes: range) -> set[int]:
    finite = [index for index in indexes if math.isfinite(points[index].value)]
    odd = next((index for index in indexes if not math.isfinite(points[index].value)), None)
    found = set() if odd is None else {odd}
    if finite:
        found.add(min(finite, key=lambda index: points[index].value))
        found.add(max(finite, key=lambda index: points[index].value))
    return found


def metric_chart(history: History, axis: str = "step") -> Chart:
    """The line of one metric over "step" or "time"."""
    points = sorted(history.points, key=lambda p: p.at_ms) if axis == "time" else history.points
    drawn = downsample(points)
    return Chart(
        figure=_figure(history.key, drawn, axis),
        points=len(points),
        drawn=len(drawn),
        undrawable=sum(1 for point in points if not math.isfinite(point.value)),
        complete=history.complete,
    )


def _figure(key: str, points: Sequence[Point], axis: str) -> dict[str, Any]:
    import plotly.graph_objects as go  # half a second to import

    line = go.Scatter(
        x=[_moment(point.at_ms) if axis == "time" else point.step for point in points],
        y=[point.value if math.isfinite(point.value) else None for point in points],
        mode="lines+markers" if len(points) <= MARKERS_UP_TO else "lines",
        name=key.replace("<", "&lt;"),  # Plotly reads names as a small HTML
        line={"width": 2},
        marker={"size": 5},
        connectgaps=False,
        hovertemplate="%{x}<br><b>%{y:.6g}</b><extra></extra>",
    )
    layout = go.Layout(
        template="none",
        height=260,
        margin={"l": 56, "r": 12, "t": 8, "b": 40},
        showlegend=False,
        hovermode="x",
        xaxis={"title": {"text": _("Time") if axis == "time" else _("Step")}, "zeroline": False},
        yaxis={"zeroline": False},
    )
    figure: dict[str, Any] = json.loads(go.Figure(line, layout).to_json())
    figure["layout"].pop("template", None)
    return figure


def _moment(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return ""
