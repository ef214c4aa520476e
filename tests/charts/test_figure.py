"""The figure of a history: axes, smoothing, gaps, notes, and how much of it is sent."""

import math

import numpy as np
import orjson
import plotly.graph_objects as go
import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.charts.figure import MOST_DRAWN, metric_figure
from studio.charts.view import ChartView, unit_of
from workspaces.tracking.history.reading import Series

COLOUR = "#0f6cbd"


def series(values: list[float], times: list[int] | None = None, complete: bool = True) -> Series:
    count = len(values)
    return Series(
        np.arange(count, dtype=np.int64),
        np.array(times if times is not None else range(0, count * 1000, 1000), dtype=np.int64),
        np.array(values, dtype=np.float64),
        complete,
    )


def view(query: str = "") -> ChartView:
    return ChartView.of(QueryDict(query))


def figure(values: list[float], query: str = "", **more):
    made = metric_figure("loss", series(values, **more), view(query), COLOUR)
    go.Figure({"data": made["data"], "layout": made["layout"]})  # Plotly knows every word of it
    orjson.dumps(made)
    return made


def test_each_axis_has_its_own_places() -> None:
    times = [1_700_000_000_000, 1_700_000_060_000, 1_700_000_600_000]
    by = {axis: figure([1, 2, 3], f"axis={axis}", times=times) for axis in ("step", "time")}
    assert by["step"]["data"][0]["x"] == [0, 1, 2]
    assert by["time"]["data"][0]["x"] == times
    assert by["time"]["layout"]["xaxis"]["type"] == "date"
    relative = figure([1, 2, 3], "axis=relative", times=times)
    assert relative["data"][0]["x"] == [0, 1, 10]
    assert relative["meta"]["unit"] == "min"
    assert relative["meta"]["origin"] == times[0]


def test_relative_time_keeps_its_start_and_unit_when_it_is_asked_again() -> None:
    times = [1_000_000, 1_060_000]
    again = figure([1, 2], "axis=relative&origin=400000&unit=s", times=times)
    assert again["data"][0]["x"] == [600, 660]


@pytest.mark.parametrize(
    ("span", "unit"), [(0, "s"), (179_999, "s"), (180_000, "min"), (10_800_000, "h"), (10**9, "d")]
)
def test_the_unit_fits_the_span(span: int, unit: str) -> None:
    assert unit_of(span) == unit


def test_a_smoothed_line_lies_over_the_faint_one() -> None:
    made = figure([0, 10, 0, 10], "smooth=0.5")
    raw, smooth = made["data"]
    assert raw["y"] == [0, 10, 0, 10]
    assert raw["line"]["color"] == COLOUR + "66"
    assert smooth["line"]["color"] == COLOUR
    assert 0 < smooth["y"][-1] < 10
    assert smooth["mode"] == "lines"
    assert figure([7.0], "smooth=0.5")["data"][1]["mode"] == "markers"  # one point makes no line


def test_a_zoomed_average_is_the_same_average() -> None:
    whole = figure([float(n % 7) for n in range(50)], "smooth=0.9")["data"][1]
    part = figure([float(n % 7) for n in range(50)], "smooth=0.9&low=30&high=40")["data"][1]
    assert part["x"] == list(range(30, 41))
    assert part["y"] == whole["y"][30:41]


def test_a_band_runs_between_lowest_and_highest() -> None:
    low, high, line = figure([float(n % 5) for n in range(100)], "band=1")["data"]
    assert set(low["y"]) == {0}
    assert set(high["y"]) == {4}
    assert high["fill"] == "tonexty"
    assert line["y"][3] == 3


def test_what_cannot_be_drawn_leaves_a_gap_and_a_sentence() -> None:
    made = figure([1, math.nan, math.inf, -2], "log=1")
    assert made["data"][0]["y"] == [1, None, None, -2]
    assert made["layout"]["yaxis"]["type"] == "log"
    notes = " ".join(made["meta"]["notes"])
    assert "2 values are not numbers" in notes
    assert "1 value is not above 0" in notes


def test_no_values_are_a_sentence() -> None:
    assert figure([])["meta"]["notes"] == ["No value was logged."]
    assert figure([1.0, 2.0], "low=5&high=9")["meta"]["notes"] == ["No value lies here."]


def test_a_selection_is_said_to_be_one() -> None:
    notes = figure([1.0, 2.0], complete=False)["meta"]["notes"]
    assert any("selection" in note for note in notes)


def test_a_name_is_text() -> None:
    made = metric_figure("<b>&", series([1.0]), view(), COLOUR)
    assert made["data"][0]["name"] == "&lt;b>&amp;"


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
def test_a_million_points_are_sent_as_less_than_200_kb(axis: str) -> None:
    values = np.random.default_rng(1).normal(size=1_000_000)
    long = Series(
        np.arange(1_000_000) + 10**9,
        np.arange(1_000_000) * 997 + 1_700_000_000_000,
        values,
        True,
    )
    made = metric_figure("x", long, view(f"axis={axis}&smooth=0.9&band=1"), COLOUR)
    assert len(orjson.dumps(made)) <= 200_000
    assert made["meta"]["drawn"] <= MOST_DRAWN
    drawn = made["data"][2]["y"]
    assert float(f"{values.max():.10g}") == max(drawn)
    assert float(f"{values.min():.10g}") == min(drawn)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["axis", "smooth", "log", "band", "low", "high", "origin", "unit"]),
        st.one_of(
            st.text("ab1.-+eé", max_size=8),
            st.floats().map(str),
            st.sampled_from(["1", "step", "h"]),
        ),
    ),
    st.lists(st.floats(), max_size=30),
)
def test_any_question_has_a_figure(query: dict[str, str], values: list[float]) -> None:
    parameters = QueryDict(mutable=True)
    parameters.update(query)
    made = metric_figure("m", series(values), ChartView.of(parameters), COLOUR)
    orjson.dumps(made)
    assert "NaN" not in orjson.dumps(made).decode()
