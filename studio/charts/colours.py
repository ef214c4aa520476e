"""The colour of a run: the same in every chart, told apart by colour-blind people as well.

A figure names the colours of the light theme; static/js/chart.js shows the dark theme's
(`--series-1` to `--series-8` of static/css/tokens.css) in their place. Two runs that share a
colour most often differ in the dash of their line.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

RUN_COLOURS = (
    "#0f6cbd",
    "#e46901",
    "#01a680",
    "#c276b2",
    "#2a297c",
    "#44091e",
    "#694802",
    "#595656",
)
DASHES = ("solid", "dash", "dot", "dashdot")


class Mark(NamedTuple):
    """How the line of a run is drawn. `number` is 1 to 8, of the CSS variable `--series-N`."""

    colour: str
    dash: str
    number: int


def mark_of(run_id: str) -> Mark:
    """The colour and dash of a run: decided by its id alone."""
    place = zlib.crc32(run_id.encode(errors="replace"))
    number = place % len(RUN_COLOURS)
    dash = DASHES[place // len(RUN_COLOURS) % len(DASHES)]
    return Mark(RUN_COLOURS[number], dash, number + 1)


def run_colour(run_id: str) -> str:
    """The colour of a run, `#rrggbb`."""
    return mark_of(run_id).colour
