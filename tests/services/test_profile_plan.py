"""How big it should be: when measuring stops, which level counts, how many replicas it takes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.pages.wizard import TARGET_UTILISATION
from deployments.trying.profile_plan import (
    CLIENTS,
    Level,
    Wanted,
    chosen_level,
    cpu_recommended,
    level_of,
    memory_recommended_gb,
    percentile,
    profile_result,
    replicas_needed,
    stop_reason,
)

ANY = Wanted()
TIMES = st.lists(st.floats(0.01, 1e5), max_size=50)


def level(clients: int, rate: float, p99: float = 10.0, **changes: Any) -> Level:
    """A level with times that agree with its rate."""
    mean = clients / rate * 1000 if rate else 0.0
    usual: dict[str, Any] = {
        **{"seconds": 3.0, "total": 100, "succeeded": 100, "mean_ms": mean, "p50_ms": mean},
        **{"p90_ms": p99, "p95_ms": p99, "p99_ms": p99, "p999_ms": p99},
    }
    return Level(clients=clients, rate=rate, **{**usual, **changes})


@given(TIMES, st.integers(0, 20), st.floats(0.1, 30))
def test_a_level_says_what_was_seen(times: list[float], failed: int, seconds: float) -> None:
    made = level_of(4, seconds, times, failed)
    assert made.total == len(times) + failed
    assert made.succeeded == len(times)
    ordered = [made.p50_ms, made.p90_ms, made.p95_ms, made.p99_ms, made.p999_ms]
    assert ordered == sorted(ordered)
    if times:
        assert min(times) - 0.001 <= made.p50_ms <= max(times) + 0.001
        assert made.p999_ms == pytest.approx(max(times), abs=0.001)  # of so few, the slowest


@given(st.lists(st.integers(0, 100), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_value_that_the_share_does_not_exceed(
    values: list[int], share: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= math.floor(share * len(ordered))


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([], ""),
        ([level(1, 100)], ""),
        ([level(1, 100), level(2, 101)], ""),  # one level may be noise
        ([level(1, 100), level(2, 101), level(4, 90)], "did not raise the requests"),
        ([level(1, 100), level(2, 101), level(4, 160)], ""),
        ([level(1, 100, succeeded=90)], "With 1 clients requests began to fail."),
        ([level(1, 100, 5.0), level(2, 200, 3000.0)], "the slowest requests took 3000 ms"),
        ([level(1, 1, 2000.0), level(2, 2, 3000.0)], ""),  # it was slow from the first on
    ],
)
def test_measuring_stops_when_a_further_level_is_not_worth_it(
    levels: list[Level], words: str
) -> None:
    reason = stop_reason(levels, ANY)
    assert words in reason
    assert bool(reason) == bool(words)


def test_the_level_with_the_fewest_clients_near_the_best_counts() -> None:
    levels = [level(1, 100), level(2, 190), level(4, 300), level(8, 310), level(16, 305)]
    assert chosen_level(levels, ANY) == levels[2]


def test_a_latency_that_is_wanted_comes_first() -> None:
    levels = [level(1, 100, 5), level(2, 190, 8), level(4, 300, 40)]
    assert chosen_level(levels, Wanted(p99_ms=10)) == levels[1]
    assert chosen_level(levels, Wanted(p99_ms=1)) is None


LEVELS = st.lists(
    st.builds(level, st.sampled_from(CLIENTS), st.floats(0.1, 1e5), st.floats(0.1, 1e4)),
    min_size=1,
    max_size=8,
)
WANTED = st.builds(Wanted, st.none() | st.floats(0.001, 1e5), st.none() | st.floats(0.01, 1e4))


@given(LEVELS, WANTED)
def test_the_replicas_serve_what_is_wanted_below_the_target_utilisation(
    levels: list[Level], wanted: Wanted
) -> None:
    best = chosen_level(levels, wanted)
    if best is None:
        assert wanted.p99_ms is not None
        assert all(item.p99_ms > wanted.p99_ms for item in levels)
        return
    count = replicas_needed(best, wanted)
    rate = wanted.requests_per_second or 0.0
    assert count >= 1
    # what each can serve at this level, as Little's law has it: clients / mean time
    most = best.clients / (best.mean_ms / 1000)
    assert rate <= count * most * TARGET_UTILISATION * (1 + 1e-6) or count == 100_000
    if count > 1:
        assert rate >= (count - 1) * most * TARGET_UTILISATION * (1 - 1e-6) or count == 100_000


@given(LEVELS, WANTED)
def test_every_result_has_every_field_and_can_be_stored(
    levels: list[Level], wanted: Wanted
) -> None:
    found = profile_result(levels, wanted, cpu=2.0, memory_mb=1024, stopped="x")
    json.dumps(found, allow_nan=False)
    named = "requestedCpu requestedMemoryInGB requestedQueriesPerSecond maxUtilizedCpu "
    named += "maxUtilizedMemoryInGB totalQueries successQueries successRate averageLatencyInMs "
    named += "measuredQueriesPerSecond recommendedCpu recommendedMemoryInGB state error"
    percentiles = {f"latencyPercentile{name}InMs" for name in ("50", "90", "95", "99", "999")}
    assert {*named.split(), *percentiles} <= found.keys()
    assert 0.1 <= found["recommendedCpu"] <= 2.0


def test_nothing_answered_is_a_failed_profile() -> None:
    found = profile_result(
        [level(1, 0.0, succeeded=0)], ANY, cpu=1, memory_mb=512, stopped="All failed."
    )
    assert (found["state"], found["error"]["message"]) == ("Failed", "All failed.")
    assert found["recommendedReplicas"] is None


@pytest.mark.parametrize(
    ("used", "given_", "asked"), [(0.42, 2, 0.5), (1.9, 2, 2), (None, 2, 2), (0.0, 2, 0.1)]
)
def test_cpu_is_what_was_used_in_tenths(used: float | None, given_: float, asked: float) -> None:
    assert cpu_recommended(level(1, 1, cpu=used), given_) == asked


@pytest.mark.parametrize(("peak", "asked"), [(100, 0.2), (1024, 1.5), (None, 0.5), (1, 0.1)])
def test_memory_is_one_and_a_half_of_the_most(peak: float | None, asked: float) -> None:
    assert memory_recommended_gb(peak, 512) == asked
