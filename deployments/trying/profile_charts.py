"""The chart of a profile: what a request takes, over how many are served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

LINES = (("p50_ms", "p50"), ("p95_ms", "p95"), ("p99_ms", "p99"))


def latency_chart(levels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A Plotly figure as plain data: milliseconds over requests per second, a point per level."""
    served = [level for level in levels if level.get("succeeded")]
    clients = [_("%(n)s clients") % {"n": level["clients"]} for level in served]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label,
                "x": [level["rate"] for level in served],
                "y": [level[key] for level in served],
                "text": clients,
                "line": {"width": 2},
                "marker": {"size": 6},
                "hovertemplate": f"%{{text}}<br>%{{x:,.0f}}/s<br><b>{label} %{{y:.3g}} ms</b>"
                "<extra></extra>",
            }
            for key, label in LINES
        ],
        "layout": {
            "height": 280,
            "margin": {"l": 56, "r": 12, "t": 8, "b": 44},
            "legend": {"orientation": "h", "y": 1.12, "x": 0},
            "xaxis": {"title": {"text": _("Requests per second")}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": _("Milliseconds")}, "rangemode": "tozero"},
        },
    }
