"""One value as a surface over two others. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from django.utils.translation import gettext as _

from studio.comparing.axes import FEWEST, axis_of, plain, spans
from studio.comparing.figures.base import SCALE, Drawn, layout, nothing, points, short, whole
from studio.comparing.settings import ChartSettings
from workspaces.tracking.values import Run

GRID = 32  # lines of the surface each way


def contour(settings: ChartSettings, runs: Sequence[Run]) -> Drawn:
    columns = (settings.x, settings.y, settings.z)
    if settings.x is None or settings.y is None or settings.z is None:
        return Drawn(empty=nothing(*columns))
    x, y, z = (axis_of(runs, column) for column in columns if column)
    words = [axis.column.label for axis in (x, y, z) if not axis.is_number]
    if words:
        names = ", ".join(words)
        return Drawn(empty=_("A contour needs numbers; these are none: %(n)s.") % {"n": names})
    places, notes = whole(runs, [x, y, z])
    if not spans(x, y, z):
        text = _("A contour needs at least %(n)s runs that differ in both directions.")
        return Drawn(empty=text % {"n": FEWEST})
    xs, ys, surface = surface_of([(x.values[p], y.values[p], z.values[p]) for p in places])
    ground = {
        "type": "contour",
        "x": xs,
        "y": ys,
        "z": surface,
        "colorscale": SCALE,
        "colorbar": {"title": {"text": z.label}, "thickness": 12},
        "contours": {"coloring": "heatmap", "showlines": True},
        "line": {"width": 0.5},
        "hoverinfo": "skip",
    }
    dots = points(runs, places, x, y)
    dots["text"] = [f"{plain(runs[p].name)} · {z.label}: {z.values[p]:.6g}" for p in places]
    notes.append(
        _("Between the runs the surface is a guess: the mean of all runs, near ones count more.")
    )
    return Drawn({"data": [ground, dots], "layout": layout(x, y)}, notes)


def surface_of(
    spots: Sequence[tuple[float, float, float]],
) -> tuple[list[float], list[float], list[list[float]]]:
    """Heights on an even grid by Shepard's inverse distances, each side scaled to the same length.

    Returns: the grid's x, its y, and rows of heights, all within those of the runs.
    """
    xs, ys, zs = zip(*spots, strict=True)
    middle = sum(value / len(zs) for value in zs)
    units = [(_unit(x, xs), _unit(y, ys), z) for x, y, z in spots]
    steps = [number / (GRID - 1) for number in range(GRID)]
    rows = []
    for v in steps:
        row = []
        for u in steps:
            weights = [1 / ((u - x) ** 2 + (v - y) ** 2 + 1e-9) for x, y, _z in units]
            total = sum(weights)
            height = sum(w / total * z for w, (_x, _y, z) in zip(weights, units, strict=True))
            row.append(
                short(min(max(height, min(zs)), max(zs))) if math.isfinite(height) else middle
            )
        rows.append(row)
    return _grid(xs), _grid(ys), rows


def _unit(value: float, values: Sequence[float]) -> float:
    low, high = min(values), max(values)
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _grid(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    shares = [number / (GRID - 1) for number in range(GRID)]
    return [low * (1 - share) + high * share for share in shares]
