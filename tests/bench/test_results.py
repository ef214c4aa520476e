"""What `make bench` reads and concludes; it measures nothing here."""

from __future__ import annotations

import pytest

from benchmarks import contenders as of
from benchmarks.goals import FULL, goals
from benchmarks.load import Result, parse
from benchmarks.report import goals_table, results_table
from benchmarks.scoring import Measured
from benchmarks.startup import imports

REPORT = """Running 4s test @ http://127.0.0.1:1/score
  1 threads and 64 connections
  Latency Distribution
     50%    8.12ms
     75%    9.00ms
     90%   12.00ms
     99%    1.25s
  31012 requests in 4.00s, 5.00MB read
Requests/sec:   7751.55
Transfer/sec:      1.25MB
""".replace("1.25s", "1.25s ")  # wrk fills up with a blank


def test_wrks_report_gives_rate_and_percentiles_in_milliseconds() -> None:
    assert parse(REPORT) == Result(7751.55, 8.12, 1250.0)


@pytest.mark.parametrize("text", ["", "Requests/sec: 12.0", REPORT.replace("99%", "98%")])
def test_another_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wrk"):
        parse(text)


def test_a_goal_is_met_or_missed_by_its_ratio() -> None:
    theirs = Measured(10.0, 500.0, {FULL: Result(100.0, 5.0, 400.0)})
    ours = Measured(2.5, 226.0, {FULL: Result(6001.0, 5.0, 21.0)})

    found = {goal.what: goal for goal in goals({"linear": {of.MLFLOW: theirs, of.FAST: ours}})}

    assert found["Slipway: requests/s, 64 clients, 1 row"].met
    assert found["Slipway: start to the first answer"].met
    assert not found["Slipway: memory at rest"].met
    assert not found["Slipway: p99, 64 clients, 1 row"].met
    table = goals_table(list(found.values()))
    assert "| linear | Slipway: requests/s, 64 clients, 1 row | mlflow models serve | 60 |" in table
    assert "**missed**" in table


def test_a_model_that_takes_its_own_time_is_reported_without_a_goal() -> None:
    theirs = Measured(10.0, 500.0, {FULL: Result(0.0, 0.0, 0.0)})
    ours = Measured(2.5, 226.0, {FULL: Result(61.0, 5.0, 21.0)})
    found = goals({"forest": {of.MLFLOW: theirs, of.FAST: ours}})
    row = "| forest | Slipway: requests/s, 64 clients, 1 row | mlflow models serve | inf |  |  |"
    assert row in goals_table(found)
    assert [goal.what for goal in found if not goal.met] == ["Slipway: memory at rest"]


def test_what_was_not_measured_makes_no_goal_and_an_empty_cell() -> None:
    alone = {of.FAST: Measured(1.0, 100.0, {})}
    assert goals({"linear": alone}) == []
    assert "| – |" in results_table(alone)


def test_imports_are_added_up_by_package() -> None:
    log = "import time:  100 |  300 | numpy\nnoise\nimport time:   50 |   50 |   numpy.core\n"
    assert imports(log) == {"numpy": 150}
