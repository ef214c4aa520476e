"""Colours of runs: always the same, readable in both themes, apart for colour-blind people."""

import itertools
import re
from pathlib import Path

import pytest

from studio.charts.colours import DASHES, RUN_COLOURS, mark_of, run_colour

ROOT = Path(__file__).resolve().parent.parent.parent
SURFACES = {"light": "#ffffff", "dark": "#292929"}
# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
EYES = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
Linear = tuple[float, ...]


def linear(colour: str) -> Linear:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)


def luminance(light: Linear) -> float:
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted(luminance(linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(light: Linear) -> Linear:
    r, g, b = (min(max(part, 0), 1) for part in light)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883
    fx, fy, fz = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, luminance((r, g, b)), z)
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def seen(colour: str, eye: str) -> Linear:
    light = linear(colour)
    return lab(tuple(sum(a * b for a, b in zip(row, light, strict=True)) for row in EYES[eye]))


def palette(theme: str) -> list[str]:
    text = (ROOT / "static" / "css" / "tokens.css").read_text("utf-8")
    part = re.search(rf'\[data-bs-theme="{theme}"\] \{{(.*?)\n\}}', text, re.DOTALL)
    assert part is not None
    return re.findall(r"--series-\d: (#[0-9a-f]{6})", part[1])


def test_a_run_has_its_colour_for_ever() -> None:
    assert mark_of("0b5c9c1f7a9947b0a2f0d4f1c1a3e5d7") == mark_of(
        "0b5c9c1f7a9947b0a2f0d4f1c1a3e5d7"
    )
    assert [run_colour(word) for word in ("a", "b", "c")] == ["#c276b2", "#e46901", "#595656"]


def test_all_colours_and_dashes_are_used() -> None:
    marks = [mark_of(f"{number:032x}") for number in range(2_000)]
    assert {mark.colour for mark in marks} == set(RUN_COLOURS)
    assert len({(mark.colour, mark.dash) for mark in marks}) == len(RUN_COLOURS) * len(DASHES)
    assert {RUN_COLOURS[mark.number - 1] for mark in marks} == set(RUN_COLOURS)


def test_pages_scripts_and_figures_mean_the_same_colours() -> None:
    script = (ROOT / "static" / "js" / "chart.js").read_text("utf-8")
    listed = re.search(r"PALETTE = \[(.*?)\]", script)
    assert listed is not None
    assert tuple(re.findall(r"#[0-9a-f]{6}", listed[1])) == RUN_COLOURS
    assert tuple(palette("light")) == RUN_COLOURS
    assert len(palette("dark")) == len(RUN_COLOURS)


@pytest.mark.parametrize("theme", SURFACES)
def test_lines_stand_out_from_the_page(theme: str) -> None:
    assert min(contrast(colour, SURFACES[theme]) for colour in palette(theme)) >= 3


@pytest.mark.parametrize("theme", SURFACES)
@pytest.mark.parametrize("eye", EYES)
def test_any_two_colours_are_told_apart(theme: str, eye: str) -> None:
    for one, other in itertools.combinations(palette(theme), 2):
        apart = sum((a - b) ** 2 for a, b in zip(seen(one, eye), seen(other, eye), strict=True))
        assert apart**0.5 >= 15, (one, other)
