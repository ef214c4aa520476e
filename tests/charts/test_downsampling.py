"""What is drawn of a history: never too much, and never without what matters."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.charts.downsampling import FEWEST, downsample, drawn_indexes, envelope, smoothed
from workspaces.tracking.values import Point

numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-5, 5).map(float),
    st.just(math.nan),
)
lines = st.lists(numbers, max_size=400).flatmap(
    lambda values: st.tuples(
        st.just(values),
        st.lists(st.integers(-(2**40), 2**40), min_size=len(values), max_size=len(values)).map(
            sorted
        ),
    )
)


def drawn(values: list[float], x: list[int], most: int) -> list[int]:
    chosen = drawn_indexes(np.array(x, np.int64), np.array(values, np.float64), most)
    return [int(index) for index in chosen]


@settings(deadline=None)
@given(lines, st.integers(FEWEST, 100))
def test_few_points_keep_ends_and_extremes(line: tuple[list[float], list[int]], most: int) -> None:
    values, x = line
    chosen = drawn(values, x, most)
    assert len(chosen) <= most
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(len(values)))
    if len(values) <= most:
        assert chosen == list(range(len(values)))
    if values:
        assert (chosen[0], chosen[-1]) == (0, len(values) - 1)
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        shown = [values[index] for index in chosen if math.isfinite(values[index])]
        assert (min(shown), max(shown)) == (min(finite), max(finite))


@settings(deadline=None)
@given(st.lists(st.sampled_from([1.0, 2.0, math.nan, math.inf]), max_size=60), st.integers(1, 30))
def test_a_gap_stays_a_gap(parts: list[float], repeat: int) -> None:
    values = [value for value in parts for _ in range(repeat)]
    most = 4 * len(parts) + FEWEST
    chosen = drawn(values, list(range(len(values))), most)
    for before, after in itertools.pairwise(chosen):
        between = values[before + 1 : after]
        assert not any(not math.isfinite(value) for value in between) or not (
            math.isfinite(values[before]) and math.isfinite(values[after])
        )


def test_a_million_points_keep_a_spike() -> None:
    values = np.sin(np.arange(1_000_000) / 20_000)
    values[123_456], values[765_432] = 40.0, -40.0
    chosen = set(drawn_indexes(np.arange(1_000_000), values, 1_000).tolist())
    assert {123_456, 765_432, 0, 999_999} <= chosen
    assert len(chosen) <= 1_000


def test_points_that_share_one_place_are_thinned_out_too() -> None:
    values = np.random.default_rng(1).normal(size=5_000)
    assert len(drawn_indexes(np.zeros(5_000, np.int64), values, 100)) <= 100


def test_points_are_chosen_as_arrays_are() -> None:
    points = [Point(n, 0, math.sin(n)) for n in range(500)]
    chosen = drawn([point.value for point in points], list(range(500)), 50)
    assert downsample(points, 50) == [points[index] for index in chosen]


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="16"):
        drawn_indexes(np.arange(3), np.ones(3), 4)


@settings(deadline=None)
@given(st.lists(numbers, max_size=300), st.integers(2, 50))
def test_the_band_holds_every_value(values: list[float], most: int) -> None:
    array = np.array(values, np.float64)
    band = envelope(np.arange(len(values)), array, most)
    assert len(band.x) <= most
    finite = array[np.isfinite(array)]
    if len(finite) >= 10:
        assert band.low.min() == finite.min()
        assert band.high.max() == finite.max()
    assert (band.low <= band.high).all()


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.01, 0.99))
def test_smoothing_is_the_corrected_moving_average(values: list[float], weight: float) -> None:
    mean, expected = 0.0, []
    for number, value in enumerate(values, start=1):
        mean = mean * weight + (1 - weight) * value
        expected.append(mean / (1 - weight**number))
    np.testing.assert_allclose(smoothed(np.array(values), weight), expected, rtol=1e-6, atol=1e-6)


def test_smoothing_leaves_gaps_and_goes_on_after_them() -> None:
    mean = smoothed(np.array([1.0, math.nan, math.inf, 1.0]), 0.5)
    assert list(np.isnan(mean)) == [False, True, True, False]
    assert mean[3] == 1.0
