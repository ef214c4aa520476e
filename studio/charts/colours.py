"""Colours of runs: the same run has the same colour in every chart, today and next year."""

from __future__ import annotations

import zlib

# mid tones after Okabe and Ito and Paul Tol: told apart with any common kind of colour blindness,
# at least 3:1 against the light and the dark surface
RUN_COLOURS = (
    "#2b7bba",
    "#d55e00",
    "#00916a",
    "#c2649a",
    "#a87700",
    "#8163b8",
    "#6b7a86",
    "#b3475f",
)


def run_colour(run_id: str) -> str:
    """The colour of a run, as #rrggbb; decided by its id alone."""
    return RUN_COLOURS[zlib.crc32(run_id.encode(errors="replace")) % len(RUN_COLOURS)]
