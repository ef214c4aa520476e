"""Colours of runs."""

from studio.charts.colours import RUN_COLOURS, run_colour


def test_the_colours_are_used_evenly_and_never_change() -> None:
    found = [run_colour(f"{number:032x}") for number in range(2_000)]
    assert set(found) == set(RUN_COLOURS)
    assert min(found.count(colour) for colour in RUN_COLOURS) > 2_000 / len(RUN_COLOURS) / 2
    assert run_colour("0af7c1") == "#b3475f"  # people know a run by it: it stays
