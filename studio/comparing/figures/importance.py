"""Which parameters tell most about a metric, as bars. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from studio.charts.colours import RUN_COLOURS
from studio.comparing.axes import plain
from studio.comparing.figures.base import Drawn, layout
from studio.comparing.importance import FEWEST_RUNS, FEWEST_SURE, Importance, importances
from studio.comparing.settings import ChartSettings
from workspaces.tracking.values import Run

MOST_BARS = 25
TOO_LITTLE = 0.005  # a share that is shown as 0 %


def importance(settings: ChartSettings, runs: Sequence[Run]) -> Drawn:
    if not settings.metric:
        return Drawn(empty=_("Choose a metric: these runs have none."))
    metric = [run.metrics.get(settings.metric) for run in runs]
    known = sum(value is not None and not math.isnan(value) for value in metric)
    words = {"have": known, "metric": settings.metric, "need": FEWEST_RUNS}
    if known < FEWEST_RUNS:
        text = _(
            "Too few runs: %(have)s have “%(metric)s”, and below %(need)s any parameter can look "
            "important by chance. Compare more runs."
        )
        return Drawn(empty=text % words)
    names = sorted({key for run in runs for key in run.params})
    found = importances({n: [run.params.get(n) for run in runs] for n in names}, metric)
    if not found:
        return Drawn(empty=_("No parameter differs between the runs that have this metric."))
    notes = [
        _(
            "Importance is the share of the order of the runs by “%(metric)s” that one parameter "
            "alone accounts for (Kruskal-Wallis, epsilon squared, corrected for the number of its "
            "values). It does not see what parameters do together, and it proves no cause."
        )
        % words
    ]
    if known < FEWEST_SURE:
        text = _("With %(have)s runs this is a hint; compare 20 or more to be surer.")
        notes.insert(0, text % words)
    telling = [item for item in found if item.share >= TOO_LITTLE] or found[:1]
    shown = telling[:MOST_BARS]
    if len(found) > len(shown):
        text = ngettext(
            "%(n)s further parameter tells less or nothing; the numbers below name it.",
            "%(n)s further parameters tell less or nothing; the numbers below name them.",
            len(found) - len(shown),
        )
        notes.append(text % {"n": len(found) - len(shown)})
    return Drawn(_bars(shown), notes, table=tuple(found))


def _bars(found: Sequence[Importance]) -> dict[str, Any]:
    shown = list(reversed(found))  # Plotly draws from below
    names = [plain(item.parameter) for item in shown]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [round(item.share, 4) for item in shown],
        "y": list(range(len(shown))),
        "text": [f"{item.share:.0%}" for item in shown],
        "customdata": names,
        "marker": {"color": RUN_COLOURS[0]},
        "hovertemplate": "<b>%{customdata}</b><br>%{x:.3f}<extra></extra>",
    }
    more = layout(
        height=max(160, 28 * len(shown) + 80), margin={"l": 160, "r": 24, "t": 8, "b": 48}
    )
    more["xaxis"] |= {"range": [0, 1.05], "title": {"text": _("Importance")}}
    more["yaxis"] |= {"tickvals": bars["y"], "ticktext": names}
    return {"data": [bars], "layout": more}
