"""Importance of parameters: against the textbook, and what must hold for any runs."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from studio.comparing.importance import (
    FEWEST_RUNS,
    chi_square_tail,
    correlation,
    groups_of,
    importance,
    importances,
    kruskal,
    number_parse,
    ranks,
)

metric_values = st.lists(
    st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-3, 3).map(float)),
    min_size=FEWEST_RUNS,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 500), st.integers(1, 30))
@example(5e-324, 1)
def test_the_tail_is_that_of_the_chi_squared_distribution(value: float, degrees: int) -> None:
    wanted = stats.chi2.sf(value, degrees)
    assert chi_square_tail(value, degrees) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.floats(allow_nan=False), st.integers(-2, 2).map(float)), max_size=50))
def test_ranks_are_those_of_the_textbook(values: list[float]) -> None:
    assert ranks(values) == pytest.approx(list(stats.rankdata(values)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), min_size=3, max_size=40))
def test_kruskal_and_wallis_agree(pairs: list[tuple[int, int]]) -> None:
    groups = [group for group, _value in pairs]
    values = [float(value) for _group, value in pairs]
    share, chance = kruskal(groups, ranks(values))
    members = [[v for g, v in zip(groups, values, strict=True) if g == k] for k in set(groups)]
    if len(members) < 2 or len(set(values)) < 2 or len(pairs) <= len(members):
        assert (share, chance) == (0.0, 1.0)
        return
    h, p = stats.kruskal(*members)
    n, k = len(pairs), len(members)
    assert share == pytest.approx(min(max((h - k + 1) / (n - k), 0), 1), abs=1e-9)
    assert chance == pytest.approx(p, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-10, 10).map(float), min_size=3, max_size=30), st.randoms())
def test_the_trend_is_spearmans(values: list[float], chance: random.Random) -> None:
    others = [float(chance.randint(-5, 5)) for _value in values]
    found = correlation(ranks(values), ranks(others))
    if len(set(values)) < 2 or len(set(others)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(values, others).statistic, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=80))
def test_groups_keep_the_order_and_part_no_equals(values: list[float]) -> None:
    groups = groups_of(values)
    pairs = sorted(zip(values, groups, strict=True))
    assert [group for _value, group in pairs] == sorted(groups)
    assert all(a[1] == b[1] for a, b in itertools.pairwise(pairs) if a[0] == b[0])
    if len(set(values)) > 1:
        assert len(set(groups)) > 1


@settings(max_examples=40, deadline=None)
@given(metric_values, st.data())
def test_any_runs_give_shares_between_nothing_and_all(metric: list, data: st.DataObject) -> None:
    one = st.one_of(st.none(), st.sampled_from(["a", "b", "1", "2.5", "1e9", ""]), st.text())
    values = data.draw(st.lists(one, min_size=len(metric), max_size=len(metric)))
    found = importance("p", values, metric)
    if found is None:
        return
    assert 0 <= found.share <= 1
    assert 0 <= found.chance <= 1
    assert found.trend is None or -1 <= found.trend <= 1
    assert found.runs >= FEWEST_RUNS


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=40, unique=True))
def test_it_is_deaf_to_the_scale_of_the_metric(metric: list[float]) -> None:
    values = [str(place % 3) for place in range(len(metric))]
    stretched = [math.atan(value / 100) for value in metric]
    if len(set(stretched)) < len(metric):
        return  # too close to be told apart afterwards
    one, other = importance("p", values, metric), importance("p", values, stretched)
    assert one is not None
    assert other is not None
    assert one.share == pytest.approx(other.share)


def test_what_decides_the_metric_comes_first_and_noise_is_near_nothing() -> None:
    chance = random.Random(7)
    rates = [10 ** -chance.uniform(1, 5) for _ in range(80)]
    noise = [chance.choice("abcdef") for _ in range(80)]
    metric = [(math.log10(rate) + 3) ** 2 + chance.gauss(0, 0.05) for rate in rates]  # a valley
    found = importances(
        {
            "noise": noise,
            "rate": [str(rate) for rate in rates],
            "id": [str(n) + "x" for n in range(80)],
        },
        metric,
    )
    assert found[0].parameter == "rate"
    assert found[0].share > 0.7
    assert found[0].chance < 1e-6
    by_name = {item.parameter: item for item in found}
    assert by_name["noise"].share < 0.15
    assert by_name["id"].share == 0  # a value per run tells nothing


def test_few_runs_or_one_value_tell_nothing() -> None:
    assert importance("p", ["a", "b"] * 2, [1.0, 2.0, 3.0, 4.0]) is None
    assert importance("p", ["a"] * 9, [float(n) for n in range(9)]) is None
    assert importance("p", ["a", "b"] * 5, [math.nan] * 10) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("1", 1.0), (" -2.5e3 ", -2500.0), (".5", 0.5), ("1.", 1.0)],
        *((text, None) for text in ("1_000", "nan", "inf", "1e999", "", "0x10", "１", "True")),
    ],
)
def test_only_plain_numbers_are_numbers(text: str, number: float | None) -> None:
    assert number_parse(text) == number
