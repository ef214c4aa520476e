"""A line per run over axes side by side. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from studio.charts.colours import run_colour
from studio.comparing.axes import Axis, axis_of, plain
from studio.comparing.figures.base import FADED, Drawn, layout, short
from studio.comparing.settings import ChartSettings
from studio.experiments.columns import cell
from workspaces.tracking.values import Run

VIRIDIS = (
    "#440154", "#482878", "#3e4a89", "#31688e", "#26828e",
    "#1f9e89", "#35b779", "#6dcd59", "#b4de2c", "#fde725",
)  # fmt: skip


def parallel(settings: ChartSettings, runs: Sequence[Run]) -> Drawn:
    """A line per run over axes of equal height.

    Lines of the plain kind, not Plotly's `parcoords`: that needs WebGL, shows no name under the
    pointer, is no vector when saved, and would triple the script that is loaded.
    """
    axes = [axis_of(runs, column) for column in settings.dims]
    drawable = [axis for axis in axes if axis.missing < len(runs)]
    if len(drawable) < 2:
        return Drawn(empty=_("Choose at least two columns that these runs have."))
    kept = _kept(settings, runs)
    colours = _line_colours(settings, runs)
    places = [axis.places() for axis in drawable]
    order = sorted(range(len(runs)), key=lambda place: kept[place])  # faded ones below
    data = [
        _line(runs[place], drawable, places, place, colours[place] if kept[place] else FADED)
        for place in order
    ]
    notes = []
    if settings.keep:
        words = {"kept": sum(kept), "all": len(runs)}
        notes.append(_("%(kept)s of %(all)s runs are within the chosen bounds.") % words)
    if any(axis.missing for axis in drawable):
        notes.append(_("Where a run has no value its line has a gap."))
    return Drawn({"data": data, "layout": _parallel_layout(drawable)}, notes)


def _kept(settings: ChartSettings, runs: Sequence[Run]) -> list[bool]:
    kept = [True] * len(runs)
    for item in settings.keep:
        axis = axis_of(runs, item.column)
        for place, value in enumerate(axis.values):
            kept[place] &= (
                axis.is_number
                and value is not None
                and (item.low is None or value >= item.low)
                and (item.high is None or value <= item.high)
            )
    return kept


def _line_colours(settings: ChartSettings, runs: Sequence[Run]) -> list[str]:
    """The runs' own colours, or steps of a scale by the number that was chosen."""
    own = [run_colour(run.id) for run in runs]
    if settings.colour is None:
        return own
    axis = axis_of(runs, settings.colour)
    if not axis.is_number:
        return own
    steps = VIRIDIS
    return [
        FADED if place is None else steps[min(int(place * len(steps)), len(steps) - 1)]
        for place in axis.places()
    ]


def _line(
    run: Run, axes: Sequence[Axis], places: Sequence[Sequence[float | None]], at: int, colour: str
) -> dict[str, Any]:
    heights = [column[at] for column in places]
    texts = [f"{axis.label}: {plain(cell(run, axis.column))}" for axis in axes]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(range(len(axes))),
        "y": [None if height is None else short(height) for height in heights],
        "text": texts,
        "name": plain(run.name),
        "customdata": [run.id] * len(axes),
        "line": {"color": colour, "width": 1.5},
        "opacity": 0.8,
        "marker": {"size": 4},
        "connectgaps": False,
        "hovertemplate": "<b>%{fullData.name}</b><br>%{text}<extra></extra>",
        **({"hoverinfo": "skip", "hovertemplate": None} if colour == FADED else {}),
    }


def _parallel_layout(axes: Sequence[Axis]) -> dict[str, Any]:
    count = len(axes)
    return layout(
        xaxis={
            "tickvals": list(range(count)),
            "ticktext": [axis.label for axis in axes],
            "range": [-0.25, count - 0.75],
            "zeroline": False,
            "showgrid": True,
            "side": "top",
            "fixedrange": True,
        },
        yaxis={"range": [-0.06, 1.06], "showticklabels": False, "showgrid": False,
               "zeroline": False, "fixedrange": True},
        margin={"l": 24, "r": 72, "t": 56, "b": 24},
        annotations=[note for place, axis in enumerate(axes) for note in _ticks(place, axis)],
        dragmode="select",
        meta={"brush": [_bounds(axis) for axis in axes]},
    )  # fmt: skip


def _bounds(axis: Axis) -> dict[str, Any]:
    """What the page's script needs to turn a height back into a value of the axis."""
    numbers = [value for value in axis.values if value is not None] if axis.is_number else []
    ends = [min(numbers), max(numbers)] if numbers else None
    return {"name": axis.column.name, "ends": ends}


def _ticks(place: int, axis: Axis) -> list[dict[str, Any]]:
    """Words beside an axis: its ends, or every word while there are few."""
    if axis.is_number:
        numbers = [value for value in axis.values if value is not None]
        low, high = min(numbers), max(numbers)
        middle = low / 2 + high / 2
        found = [(0.5, low)] if low == high else [(0.0, low), (0.5, middle), (1.0, high)]
        texts = [(height, f"{value:.4g}") for height, value in found]
    else:
        words = axis.words
        last = max(len(words) - 1, 1)
        step = max(len(words) // 10, 1)
        texts = [
            (0.5 if len(words) == 1 else number / last, word)
            for number, word in enumerate(words)
            if number % step == 0
        ]
        if axis.is_time:
            texts = [texts[0], texts[-1]] if len(texts) > 1 else texts
    return [
        {"x": place, "y": height, "text": text, "xanchor": "left", "xshift": 4,
         "showarrow": False, "font": {"size": 11}}
        for height, text in texts
    ]  # fmt: skip
