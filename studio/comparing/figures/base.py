"""What the figures of a comparison share. Pure.

Figures are written by hand and not with plotly's classes: these check every one of a hundred lines
again, which takes longer than all the rest of a page. The tests let them check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from studio.charts.colours import run_colour
from studio.comparing.axes import Axis, left_out, plain
from studio.comparing.importance import Importance
from studio.comparing.settings import ChartSettings
from studio.experiments.columns import Column
from workspaces.tracking.values import Run

FADED = "rgba(128,128,128,0.25)"
SCALE = "Viridis"  # even in lightness, so it reads with any colour vision
TICKS_ARE_DECADES = 100  # from this ratio on, a logarithmic axis has marks at powers of ten alone


@dataclass(frozen=True)
class Drawn:
    """A figure, or in `empty` the sentence why there is none. `table`: the numbers behind it."""

    figure: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    empty: str = ""
    table: tuple[Importance, ...] = ()


def short(value: float) -> float:
    """Seven digits are more than a screen shows, and half the bytes."""
    return float(f"{value:.7g}")


def layout(x: Axis | None = None, y: Axis | None = None, **more: Any) -> dict[str, Any]:
    """What all figures share."""
    return {
        "height": 420,
        "margin": {"l": 64, "r": 24, "t": 16, "b": 56},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": axis_layout(x),
        "yaxis": axis_layout(y),
        **more,
    }


def legend_below(found: dict[str, Any], title: str = "") -> None:
    """Give a layout a legend below its chart; static/js/chart.js makes room for it."""
    found["showlegend"] = True
    found["legend"] = {
        "orientation": "h",
        **{"yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        **({"title": {"text": title, "side": "top"}} if title else {}),
    }


def axis_layout(axis: Axis | None) -> dict[str, Any]:
    if axis is None:
        return {"zeroline": False}
    kind = "date" if axis.is_time else ("linear" if axis.is_number else "category")
    found: dict[str, Any] = {"title": {"text": axis.label}, "zeroline": False, "type": kind}
    if kind == "category":
        found |= {"categoryorder": "array", "categoryarray": axis.words}
    return found


def logs_set(figure: dict[str, Any], settings: ChartSettings, notes: list[str]) -> None:
    """Logarithmic axes where asked for and possible."""
    for side in settings.log:
        axis = figure["layout"].get(f"{side}axis", {})
        if axis.get("type") != "linear":
            continue
        axis["type"] = "log"
        values = [v for trace in figure["data"] for v in trace.get(side) or () if v is not None]
        above = [value for value in values if value > 0]
        if above and max(above) / min(above) >= TICKS_ARE_DECADES:
            axis["dtick"] = 1  # digits between the decades run into each other
        if len(above) < len(values):
            notes.append(_("Values that are not above zero have no place on a logarithmic axis."))


def whole(runs: Sequence[Run], axes: Sequence[Axis]) -> tuple[list[int], list[str]]:
    """Places of the runs that have a value on every axis, and the note about the others."""
    kept = [
        place for place in range(len(runs)) if all(axis.values[place] is not None for axis in axes)
    ]
    labels = [axis.column.label for axis in axes if axis.missing]
    note = left_out(len(runs) - len(kept), labels)
    return kept, [note] if note else []


def points(runs: Sequence[Run], places: Sequence[int], x: Axis, y: Axis) -> dict[str, Any]:
    """A dot per run in the run's own colour; a click opens the run."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x.values[place] for place in places],
        "y": [y.values[place] for place in places],
        "text": [plain(runs[place].name) for place in places],
        "customdata": [runs[place].id for place in places],
        "marker": {
            "size": 9,
            "color": [run_colour(runs[place].id) for place in places],
            "line": {"width": 1, "color": "rgba(255,255,255,0.6)"},
        },
        "hovertemplate": hover(x.label, y.label),
        "showlegend": False,
    }


def nothing(*columns: Column | None) -> str:
    if any(column is None for column in columns):
        return _("Choose what to draw: these runs have too few metrics and parameters to guess.")
    names = ", ".join(column.label for column in columns if column)
    return _("No run has a value to draw for all of: %(names)s.") % {"names": names}


def hover(x: str, y: str) -> str:
    """The words under the pointer: the run, then its place on both axes."""
    x, y = (label.replace("%{", "% {") for label in (x, y))  # the template's own marks
    return f"<b>%{{text}}</b><br>{x}: %{{x}}<br>{y}: %{{y}}<extra></extra>"
