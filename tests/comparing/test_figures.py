"""Figures of every kind: valid for Plotly, honest about what is left out, safe to show."""

from __future__ import annotations

import json
import math
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.charts.colours import RUN_COLOURS, run_colour
from studio.comparing.axes import axis_of, plain
from studio.comparing.figures import draw
from studio.comparing.figures.base import FADED, Drawn
from studio.comparing.figures.contour import surface_of
from studio.comparing.figures.curves import MOST_DRAWN, curves
from studio.comparing.settings import KINDS, settings_fill, settings_parse
from studio.experiments.columns import Column
from tests.comparing.made import run
from workspaces.tracking.history.series import Series, series_from

ODD = '<b onclick="x">&amp; %{x} 実験</b>'


def check(drawn: Drawn) -> dict[str, Any]:
    """The figure is one that Plotly takes, and plain JSON."""
    assert drawn.figure is not None, drawn.empty
    json.dumps(drawn.figure, allow_nan=False)
    go.Figure(drawn.figure)
    return drawn.figure


def some_runs(count: int = 12) -> list[Any]:
    return [
        run(
            n,
            name=f"{ODD} {n}",
            params={"alpha": str(n / 10), "depth": str(n % 3), "model": "ab"[n % 2], ODD: str(n)},
            metrics={"rmse": 5.0 + n % 4, "r2": n / 20, ODD: float(n)},
        )
        for n in range(count)
    ]


def made(runs: list[Any], **lists: Any) -> Drawn:
    found = {key: value if isinstance(value, list) else [value] for key, value in lists.items()}
    return draw(settings_fill(settings_parse(found), runs), runs)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "curves"])
def test_every_kind_draws_a_figure_by_itself(kind: str) -> None:
    figure = check(made(some_runs(), chart=kind))
    assert figure["data"]
    assert "<b" not in json.dumps(figure["data"][-1].get("text", ""))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "curves"])
def test_without_values_every_kind_says_what_is_missing(kind: str) -> None:
    for runs in ([], [run(1), run(2)]):
        drawn = made(runs, chart=kind)
        assert drawn.figure is None
        assert drawn.empty.endswith(".")


cells = st.one_of(st.floats(), st.just(math.nan), st.integers(-3, 3).map(float))
words = st.one_of(st.text(max_size=6), st.sampled_from(["1", "2", "0.5", "1e300", "-1e308", ODD]))
some = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), words),
        st.dictionaries(st.sampled_from("mno"), cells),
    ),
    max_size=9,
)


@settings(max_examples=60, deadline=None)
@given(some, st.sampled_from([kind for kind in KINDS if kind != "curves"]), st.booleans())
def test_any_runs_give_a_valid_figure_or_a_sentence(rows: list, kind: str, log: bool) -> None:
    runs = [run(n, params=params, metrics=metrics) for n, (params, metrics) in enumerate(rows)]
    drawn = made(runs, chart=kind, log=["x", "y"] if log else [], keep=["0:1:metrics.m"])
    if drawn.figure is None:
        assert drawn.empty
    else:
        check(drawn)


def test_runs_without_a_value_are_left_out_and_counted() -> None:
    runs = [*some_runs(3), run(7, params={"alpha": "1"}, metrics={"rmse": math.inf})]
    drawn = made(runs, chart="scatter", x="params.alpha", y="metrics.rmse")
    assert len(check(drawn)["data"][0]["x"]) == 3
    assert drawn.notes == ["1 run has no value to draw for rmse and is left out."]


def test_words_colour_the_dots_with_a_legend() -> None:
    runs = some_runs(6)
    runs += [run(n, params={"alpha": str(n)}, metrics={"rmse": 1.0}) for n in (20, 21)]
    shown = {"chart": "scatter", "x": "params.alpha", "y": "metrics.rmse"}
    figure = check(made(runs, **shown, colour="params.model"))
    assert figure["layout"]["showlegend"]
    names = [trace["name"] for trace in figure["data"]]
    assert names == ["a", "b", "no value"]
    colours = [trace["marker"]["color"] for trace in figure["data"]]
    assert colours == [RUN_COLOURS[0], RUN_COLOURS[1], FADED]
    assert [len(trace["x"]) for trace in figure["data"]] == [3, 3, 2]
    assert len({trace["marker"]["symbol"] for trace in figure["data"]}) == 3


@pytest.mark.parametrize(("lines", "shown"), [(1, False), (2, True), (20, True), (21, False)])
def test_some_lines_have_a_legend_below_their_chart(lines: int, shown: bool) -> None:
    runs = [run(n) for n in range(lines)]
    histories = {r.id: series_from([(0, 0, 1.0), (1, 1, 2.0)]) for r in runs}
    wanted = settings_parse({"chart": ["curves"], "metric": ["loss"]})
    layout = check(curves(wanted, runs, histories))["layout"]
    assert layout["showlegend"] is shown
    assert not shown or layout["legend"]["yref"] == "container"


def test_tags_colour_the_dots_and_the_rest_of_many_words_share_one_colour() -> None:
    words = [*"aabbccddeeffgghh", "rare", ODD]
    runs = [
        run(n, params={"alpha": str(n)}, metrics={"rmse": 1.0}, tags={"team": word})
        for n, word in enumerate(words)
    ]
    drawn = made(runs, chart="scatter", x="params.alpha", y="metrics.rmse", colour="tags.team")
    data = check(drawn)["data"]
    assert [trace["name"] for trace in data] == [*"abcdefgh", "other values"]
    assert "The 8 commonest of 10 values have a colour." in drawn.notes


def test_numbers_colour_the_dots_by_a_scale_and_moments_do_not() -> None:
    shown = {"chart": "scatter", "x": "params.alpha", "y": "metrics.rmse"}
    (trace,) = check(made(some_runs(4), **shown, colour="params.depth"))["data"]
    assert trace["marker"]["color"] == [0.0, 1.0, 2.0, 0.0]
    drawn = made(some_runs(4), **shown, colour="start")
    assert check(drawn)["data"][0]["marker"]["color"] == [run_colour(r.id) for r in some_runs(4)]
    assert drawn.notes == ["Moments cannot be shown as colour; the runs keep their own."]


def test_a_run_has_its_colour_in_every_chart() -> None:
    runs = some_runs(4)
    own = [run_colour(item.id) for item in runs]
    points = check(made(runs, chart="scatter"))["data"][0]["marker"]["color"]
    lines = [trace["line"]["color"] for trace in check(made(runs, chart="parallel"))["data"]]
    assert points == lines == own


def test_bounds_grey_the_other_runs_and_say_how_many() -> None:
    drawn = made(
        some_runs(10), chart="parallel", dim=["params.alpha", "metrics.rmse"],
        keep=["0.2:0.5:params.alpha"],
    )  # fmt: skip
    colours = [trace["line"]["color"] for trace in check(drawn)["data"]]
    assert colours.count(FADED) == 6
    assert colours[:6] == [FADED] * 6  # drawn first, so that they lie below
    assert "4 of 10" in drawn.notes[0]


def test_words_are_categories_and_long_ones_that_look_alike_are_told_apart() -> None:
    runs = [run(n, params={"p": "x" * 100 + str(n)}) for n in range(3)]
    axis = axis_of(runs, Column("params", "p"))
    assert not axis.is_number
    assert len(set(axis.values)) == 3


def test_a_parameter_is_a_number_only_when_all_its_values_are() -> None:
    runs = [run(n, params={"p": text}) for n, text in enumerate(["1", "2e1", "auto"])]
    assert not axis_of(runs, Column("params", "p")).is_number
    assert axis_of(runs[:2], Column("params", "p")).values == (1.0, 20.0)


@given(
    st.lists(
        st.tuples(*[st.floats(-1e6, 1e6)] * 3), min_size=3, max_size=8, unique_by=lambda t: t[0]
    ).filter(lambda spots: len({spot[1] for spot in spots}) > 1)
)
@settings(max_examples=25, deadline=None)
def test_a_surface_never_leaves_the_range_of_the_runs(spots: list) -> None:
    xs, ys, rows = surface_of(spots)
    heights = [spot[2] for spot in spots]
    slack = max(abs(min(heights)), abs(max(heights))) * 1e-6
    assert len(rows) == len(ys)
    for row in rows:
        assert len(row) == len(xs)
        assert all(min(heights) - slack <= value <= max(heights) + slack for value in row)


def test_too_few_runs_for_importance_are_told_so() -> None:
    drawn = made(some_runs(5), chart="importance", metric="rmse")
    assert "Too few runs: 5 have" in drawn.empty
    hint = made(some_runs(12), chart="importance", metric="rmse")
    assert "this is a hint" in hint.notes[0]
    assert "epsilon squared" in hint.notes[1]
    sure = made(some_runs(24), chart="importance", metric="rmse")
    assert "epsilon squared" in sure.notes[0]
    assert not any("hint" in note for note in sure.notes)


def test_bars_of_importance_have_a_colour_that_follows_the_theme() -> None:
    figure = check(made(some_runs(24), chart="importance", metric="rmse"))
    assert figure["data"][0]["marker"]["color"] == RUN_COLOURS[0]


def test_text_is_text_for_plotly() -> None:
    assert plain("<b>&\n\x00") == "&lt;b&gt;&amp; \x00"
    assert len(plain("x" * 500)) == 60


# --- curves --------------------------------------------------------------------------------------


def history(values: list[float], complete: bool = True) -> Series:
    points = [(step, 1_000 * step + 5, value) for step, value in enumerate(values)]
    return series_from(points, complete=complete)


def drawn_curves(histories: dict[str, Series], **lists: Any) -> Drawn:
    runs = [run(n) for n in range(len(histories) + 1)]
    named = dict(zip([item.id for item in runs], histories.values(), strict=False))
    return curves(settings_parse({"chart": ["curves"], "metric": ["loss"], **lists}), runs, named)


def test_curves_keep_extremes_of_long_runs_within_the_budget() -> None:
    long = [math.sin(n / 50) for n in range(50_000)]
    long[12_345], long[40_001] = 99.0, math.nan
    drawn = drawn_curves({str(n): history(long) for n in range(20)})
    figure = check(drawn)
    assert sum(len(trace["x"]) for trace in figure["data"]) <= MOST_DRAWN
    assert all(max(v for v in trace["y"] if v is not None) == 99.0 for trace in figure["data"])
    assert len(json.dumps(figure)) < 260_000
    assert any("fewer points" in note for note in drawn.notes)
    assert any("20 values are not numbers" in note for note in drawn.notes)
    assert any("1 run has not logged it" in note for note in drawn.notes)


def test_relative_time_starts_at_zero_for_each_run() -> None:
    figure = check(drawn_curves({"a": history([1, 2]), "b": history([3])}, axis=["relative"]))
    assert [trace["x"] for trace in figure["data"]] == [[0.0, 1.0], [0.0]]
    moments = check(drawn_curves({"a": history([1, 2])}, axis=["time"]))["data"][0]["x"]
    assert moments == [5, 1_005]


def test_what_was_not_read_whole_is_said() -> None:
    notes = drawn_curves({"a": history([1, 2], complete=False)}).notes
    assert any("a selection was read" in note for note in notes)


def test_wide_logarithmic_axes_are_marked_at_powers_of_ten() -> None:
    wide = [run(n, params={"lr": str(10.0**-n)}, metrics={"m": 1.0 + n}) for n in range(5)]
    axes = check(made(wide, chart="scatter", x="params.lr", y="metrics.m", log=["x", "y"]))[
        "layout"
    ]
    assert (axes["xaxis"]["type"], axes["xaxis"]["dtick"]) == ("log", 1)
    assert axes["yaxis"]["type"] == "log"
    assert "dtick" not in axes["yaxis"]


def test_a_metric_logged_once_by_every_run_is_a_bar_per_run() -> None:
    drawn = drawn_curves({"a": history([0.5]), "b": history([math.inf]), "c": history([2.0])})
    bars = check(drawn)["data"]
    assert [trace["type"] for trace in bars] == ["bar"]
    assert bars[0]["y"] == [0.5, None, 2.0]
    both = drawn_curves({"a": history([0.5]), "b": history([1.0, 2.0])})
    assert {trace["type"] for trace in check(both)["data"]} == {"scatter"}
