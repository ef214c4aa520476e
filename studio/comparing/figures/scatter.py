"""A dot per run: one value against another, or the spread of one by groups. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from studio.charts.colours import RUN_COLOURS
from studio.comparing.axes import Axis, axis_of
from studio.comparing.figures.base import (
    FADED,
    SCALE,
    Drawn,
    hover,
    layout,
    legend_below,
    logs_set,
    nothing,
    points,
    whole,
)
from studio.comparing.settings import ChartSettings
from workspaces.tracking.values import Run

MOST_GROUPS = 40
FORMS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "cross",
    "x",
    "star",
)  # one for each of RUN_COLOURS


def scatter(settings: ChartSettings, runs: Sequence[Run]) -> Drawn:
    if settings.x is None or settings.y is None:
        return Drawn(empty=nothing(settings.x, settings.y))
    x, y = axis_of(runs, settings.x), axis_of(runs, settings.y)
    places, notes = whole(runs, [x, y])
    if not places:
        return Drawn(empty=nothing(settings.x, settings.y))
    traces = _dots(settings, runs, places, x, y, notes)
    found = layout(x, y)
    if settings.colour and any(trace["showlegend"] for trace in traces):
        legend_below(found, f"{settings.colour.label}:")
    figure = {"data": traces, "layout": found}
    logs_set(figure, settings, notes)
    return Drawn(figure, notes)


def _dots(
    settings: ChartSettings,
    runs: Sequence[Run],
    places: Sequence[int],
    x: Axis,
    y: Axis,
    notes: list[str],
) -> list[dict[str, Any]]:
    """The dots in their colours, by groups that a legend names; adds to the notes."""
    trace = points(runs, places, x, y)
    if settings.colour is None:
        return [trace]
    axis = axis_of(runs, settings.colour)
    if axis.is_number:
        bar = {"title": {"text": axis.label}, "thickness": 12}
        values = [axis.values[place] for place in places]
        scale = {"color": values, "colorscale": SCALE, "showscale": True, "colorbar": bar}
        trace["marker"] |= scale
        return [trace]
    if axis.is_time:
        notes.append(_("Moments cannot be shown as colour; the runs keep their own."))
        return [trace]
    groups = _by_word(axis, places, notes)
    return [
        _group_trace(points(runs, members, x, y), name, number)
        for number, (name, members) in groups.items()
    ]


def _by_word(
    axis: Axis, places: Sequence[int], notes: list[str]
) -> dict[int | None, tuple[str, list[int]]]:
    """Places of the dots by the number of their colour; None for those without a word of their own.

    Where there are more words than colours, the commonest have one.
    """
    counts = Counter(axis.values[place] for place in places if axis.values[place] is not None)
    words = sorted(sorted(counts), key=lambda word: -counts[word])[: len(RUN_COLOURS)]
    if len(counts) > len(words):
        shown = {"shown": len(words), "all": len(counts)}
        notes.append(_("The %(shown)s commonest of %(all)s values have a colour.") % shown)
    found: dict[int | None, tuple[str, list[int]]] = {}
    for number, word in enumerate(sorted(words)):
        found[number] = (word, [place for place in places if axis.values[place] == word])
    rest = [place for place in places if axis.values[place] not in set(words)]
    if rest:
        found[None] = (_("other values") if len(counts) > len(words) else _("no value"), rest)
    return found


def _group_trace(trace: dict[str, Any], name: str, number: int | None) -> dict[str, Any]:
    """Dots of one colour, and of a form of their own for who sees no colours."""
    colour = FADED if number is None else RUN_COLOURS[number]
    form = "circle-open" if number is None else FORMS[number]
    marker = trace["marker"] | {"color": colour, "symbol": form}
    return trace | {"name": name, "showlegend": True, "marker": marker}


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
