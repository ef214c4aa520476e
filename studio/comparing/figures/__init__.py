"""Figures of runs against each other, as plain data for Plotly."""

from __future__ import annotations

from collections.abc import Sequence

from studio.comparing.figures.base import Drawn
from studio.comparing.figures.contour import contour
from studio.comparing.figures.importance import importance
from studio.comparing.figures.parallel import parallel
from studio.comparing.figures.scatter import box, scatter
from studio.comparing.settings import ChartSettings
from workspaces.tracking.values import Run

_DRAW = {
    "scatter": scatter,
    "parallel": parallel,
    "box": box,
    "contour": contour,
    "importance": importance,
}


def draw(settings: ChartSettings, runs: Sequence[Run]) -> Drawn:
    """The figure of any kind but curves, which need histories."""
    return _DRAW[settings.kind](settings, runs)
