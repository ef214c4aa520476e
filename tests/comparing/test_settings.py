"""A chart's settings: any address can be read, and what is read comes back the same."""

from __future__ import annotations

from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from studio.comparing.settings import FIELDS, KINDS, ChartSettings, settings_fill, settings_parse
from studio.experiments.columns import Column
from tests.comparing.made import run

names = st.one_of(
    st.sampled_from(["metrics.a b", "params.x:y", "duration", "tags.ü&=", "nope", "metrics."]),
    st.text(max_size=12).map(lambda text: f"metrics.{text}"),
)
lists = st.fixed_dictionaries(
    {"chart": st.lists(st.sampled_from([*KINDS, "", "pie"]), max_size=2)},
    optional={
        **{key: st.lists(names, max_size=3) for key in ("x", "y", "z", "colour", "group", "dim")},
        "metric": st.lists(st.text(max_size=12), max_size=2),
        "axis": st.lists(st.sampled_from(["step", "time", "relative", "?"]), max_size=2),
        "log": st.lists(st.sampled_from(["x", "y", "z"]), max_size=3),
        "smooth": st.lists(st.one_of(st.text(max_size=5), st.floats().map(str)), max_size=1),
        "keep": st.lists(
            st.one_of(
                st.text(max_size=12),
                st.tuples(st.floats(), st.floats(), names).map(lambda t: f"{t[0]}:{t[1]}:{t[2]}"),
            ),
            max_size=3,
        ),
    },
)


@examples(max_examples=40, deadline=None)
@given(lists)
def test_what_is_read_comes_back_the_same_by_address_and_by_pin(found: dict) -> None:
    settings = settings_parse(found)
    assert settings.kind in KINDS
    assert settings_parse(settings.as_lists()) == settings
    query = settings.as_query(["a1", "b2"])
    read = parse_qs(query, keep_blank_values=True, strict_parsing=True)
    assert read.pop("run") == ["a1", "b2"]
    assert settings_parse(read) == settings
    assert set(read) <= {"chart", *FIELDS[settings.kind]}


@examples(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.text(), st.lists)))
def test_any_json_of_a_pin_can_be_read(found: dict) -> None:
    assert settings_parse(found).kind in KINDS


def test_the_first_choice_is_what_the_runs_differ_in_and_the_best_metric() -> None:
    runs = [
        run(n, params={"alpha": str(n), "same": "1"}, metrics={"aux": 1.0, "rmse": float(n)})
        for n in range(3)
    ]
    filled = settings_fill(ChartSettings("scatter"), runs, "min:rmse")
    assert (filled.x, filled.y) == (Column("params", "alpha"), Column("metrics", "rmse"))
    assert settings_fill(ChartSettings("curves"), runs, "min:rmse").metric == "rmse"
    assert settings_fill(ChartSettings("curves"), runs).metric == "aux"
    mine = ChartSettings("scatter", x=Column("metrics", "rmse"))
    assert settings_fill(mine, runs).x == Column("metrics", "rmse")
    assert settings_fill(ChartSettings("contour"), [], "").as_lists() == {"chart": ["contour"]}


def test_a_contour_lies_over_numbers() -> None:
    runs = [
        run(n, params={"kind": "abc"[n], "lr": f"1e-{n}"}, metrics={"aux": n / 2, "rmse": float(n)})
        for n in range(3)
    ]
    filled = settings_fill(ChartSettings("contour"), runs, "min:rmse")
    assert (filled.x, filled.y) == (Column("params", "lr"), Column("metrics", "aux"))
    assert filled.z == Column("metrics", "rmse")


def test_a_contour_lies_over_what_the_same_runs_have() -> None:
    runs = [
        run(n, params={"a" if n % 2 else "b": str(n), "c": str(n)}, metrics={"rmse": float(n)})
        for n in range(8)
    ]
    filled = settings_fill(ChartSettings("contour"), runs)
    assert {filled.x, filled.y} in ({Column("params", "c"), Column("params", one)} for one in "ab")


def test_no_group_of_a_box_is_a_choice() -> None:
    runs = [run(n, params={"a": str(n)}, metrics={"m": 1.0}) for n in range(3)]
    chosen = settings_parse({"chart": ["box"], "y": ["metrics.m"], "group": [""]})
    assert settings_fill(chosen, runs).group is None
    assert settings_fill(settings_parse({"chart": ["box"]}), runs).group == Column("params", "a")
