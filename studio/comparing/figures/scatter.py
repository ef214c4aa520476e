"""A dot per run: one value against another, or the spread of one by groups. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from studio.comparing.axes import Axis, axis_of
from studio.comparing.figures.base import (
    SCALE,
    Drawn,
    hover,
    layout,
    logs_set,
    nothing,
    points,
    whole,
)
from studio.comparing.settings import ChartSettings
from workspaces.tracking.values import Run

MOST_GROUPS = 40


def scatter(settings: ChartSettings, runs: Sequence[Run]) -> Drawn:
    if settings.x is None or settings.y is None:
        return Drawn(empty=nothing(settings.x, settings.y))
    x, y = axis_of(runs, settings.x), axis_of(runs, settings.y)
    places, notes = whole(runs, [x, y])
    if not places:
        return Drawn(empty=nothing(settings.x, settings.y))
    trace = points(runs, places, x, y)
    if settings.colour:
        notes += _coloured(trace["marker"], axis_of(runs, settings.colour), places)
    figure = {"data": [trace], "layout": layout(x, y)}
    logs_set(figure, settings, notes)
    return Drawn(figure, notes)


def _coloured(marker: dict[str, Any], axis: Axis, places: Sequence[int]) -> list[str]:
    """Colours by a number in place of the runs' own."""
    if not axis.is_number:
        return [_("Only numbers can be shown as colour; the runs keep their own.")]
    values = [axis.values[place] for place in places]
    marker |= {"color": values, "colorscale": SCALE, "showscale": True,
               "colorbar": {"title": {"text": axis.label}, "thickness": 12}}  # fmt: skip
    return []


def box(settings: ChartSettings, runs: Sequence[Run]) -> Drawn:
    if settings.y is None:
        return Drawn(empty=nothing(settings.y))
    y = axis_of(runs, settings.y)
    if not y.is_number:
        return Drawn(empty=_("%(name)s is no number, so it has no box.") % {"name": y.column.label})
    names, values, label, axes = _group_names(settings, runs)
    places, notes = whole(runs, [y, *axes])
    if not places:
        return Drawn(empty=nothing(settings.y, settings.group))
    used = {names[place] for place in places}
    groups = [name for name in values if name in used]
    if len(groups) > MOST_GROUPS:
        words = {"shown": MOST_GROUPS, "all": len(groups)}
        notes.append(_("The first %(shown)s of %(all)s values are drawn.") % words)
        groups = groups[:MOST_GROUPS]
    shown = [place for place in places if names[place] in set(groups)]
    dots = points(runs, shown, y, y) | {"x": [names[place] for place in shown]}
    dots["hovertemplate"] = hover(label or _("Group"), y.label)
    boxes = [_box_trace(name, [y.values[p] for p in shown if names[p] == name]) for name in groups]
    around = layout(None, y)
    around["xaxis"] = {
        "title": {"text": label},
        "type": "category",
        "categoryorder": "array",
        "categoryarray": groups,
    }
    figure = {"data": [*boxes, dots], "layout": around}
    logs_set(figure, settings, notes)
    return Drawn(figure, notes)


def _group_names(
    settings: ChartSettings, runs: Sequence[Run]
) -> tuple[list[str | None], list[str], str, list[Axis]]:
    """Per run the name of its group, the names in order, the axis' label, and the axis if any."""
    if settings.group is None:
        everything = _("All runs")
        return [everything] * len(runs), [everything], "", []
    axis = axis_of(runs, settings.group)
    if not axis.is_number:
        return list(axis.values), axis.words, axis.label, [axis]
    order = sorted({value for value in axis.values if value is not None})
    names = [None if value is None else f"{value:.6g}" for value in axis.values]
    return names, list(dict.fromkeys(f"{value:.6g}" for value in order)), axis.label, [axis]


def _box_trace(name: str, values: Sequence[float]) -> dict[str, Any]:
    return {
        "type": "box",
        "x": [name] * len(values),
        "y": list(values),
        "name": name,
        "boxpoints": False,
        "line": {"width": 1, "color": "rgba(110,120,130,0.9)"},
        "fillcolor": "rgba(110,120,130,0.15)",
        "hoverinfo": "y",
        "showlegend": False,
    }
