"""Histories of metrics as arrays: what is read, in which order, and what came since."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracking.made_stores import postgres_database
from tests.tracking.mlflow_store import Store, use
from workspaces.errors import NotFound
from workspaces.tracking.history import sql as tracking_history_sql
from workspaces.tracking.history.reading import (
    Series,
    extended,
    histories_read,
    history_read,
    history_rows,
    history_since,
    metrics_latest,
)
from workspaces.tracking.history.series import ROW, thinned

quick = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = st.one_of(
    st.floats(width=32), st.sampled_from((math.nan, math.inf, -math.inf, 0.0, 1e308))
)
points = st.lists(
    st.tuples(st.integers(-3, 6) | st.just(2**40), st.integers(0, 5), numbers),
    max_size=30,
    unique_by=lambda point: (point[0], point[1], repr(point[2] + 0.0)),
)
count = itertools.count()
ends = st.one_of(st.none(), st.integers(-4, 7), st.floats(-4, 7))


def triples(series: Series) -> list[tuple[int, int, str]]:
    """As plain values in which NaN equals itself."""
    columns = (series.steps.tolist(), series.times_ms.tolist(), series.values.tolist())
    return worded(zip(*columns, strict=True))


def worded(made: Iterable[tuple[int, int, float]]) -> list[tuple[int, int, str]]:
    return [(step, at, repr(value + 0.0)) for step, at, value in made]  # -0.0 is 0.0 in a database


def log(store: Store, run_id: str, made: list[tuple[int, int, float]], key: str = "loss") -> None:
    from mlflow.entities import Metric

    for start in range(0, len(made), 1000):
        batch = made[start : start + 1000]
        store.client.log_batch(run_id, [Metric(key, v, at, step) for step, at, v in batch])


@pytest.fixture
def run_id(store: Store) -> str:
    return store.run(store.experiment("histories"))


@quick
@given(points, st.sampled_from(("step", "time")), ends, ends)
def test_a_history_is_what_was_logged_in_the_range(
    store: Store,
    run_id: str,
    made: list[tuple[int, int, float]],
    axis: Any,
    low: Any,
    high: Any,
) -> None:
    key = f"metric {next(count)}"
    log(store, run_id, made, key)
    series = history_read(run_id, key, axis=axis, low=low, high=high)
    along = 0 if axis == "step" else 1
    wanted = [
        point
        for point in made
        if (low is None or point[along] >= low) and (high is None or point[along] <= high)
    ]
    assert sorted(triples(series)) == sorted(worded(wanted))
    assert series.complete
    order = series.steps if axis == "step" else series.times_ms
    assert (order[1:] >= order[:-1]).all()


def test_the_same_metric_of_several_runs(store: Store, run_id: str) -> None:
    other = store.run(store.experiment("other"))
    log(store, run_id, [(0, 1, 1.0), (1, 2, math.nan)])
    log(store, other, [(5, 6, -math.inf)])
    found = histories_read([other, run_id, "0" * 32], "loss")
    assert list(found) == [other, run_id, "0" * 32]
    assert triples(found[other]) == [(5, 6, "-inf")]
    assert triples(found[run_id]) == [(0, 1, "1.0"), (1, 2, "nan")]
    assert len(found["0" * 32]) == 0


def test_a_run_that_is_not_there_has_no_history(store: Store) -> None:
    for ask in (history_read, history_since):
        with pytest.raises(NotFound):
            ask("0" * 32, "loss")
    with pytest.raises(NotFound):
        next(history_rows("0" * 32, "loss"))


def test_a_metric_that_was_never_logged_is_empty(store: Store, run_id: str) -> None:
    assert len(history_read(run_id, "none")) == 0
    assert list(history_rows(run_id, "none")) == []
    assert history_since(run_id, "none").whole


def test_rows_are_read_piece_by_piece_and_none_is_lost(
    store: Store, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_history_sql, "PIECE", 3)
    made = [(step // 4, 5, float(step % 3)) for step in range(8)]  # the same step and time
    made = sorted({*made, (0, 5, math.inf), (7, 7, 7.0)})
    log(store, run_id, [*made, (1, 5, math.nan)])
    rows = list(history_rows(run_id, "loss"))
    assert len(rows) == len(made) + 1
    assert [row for row in rows if row[2] == row[2]] == made


@pytest.mark.parametrize("order", [1, -1])
def test_what_came_since_is_added_to_what_is_known(store: Store, run_id: str, order: int) -> None:
    made = [(step, 1_000 + step, step / 7) for step in range(20)][::order]
    log(store, run_id, made[:5])
    tail = history_since(run_id, "loss")
    series, mark = tail.series, tail.mark
    assert tail.whole
    for start in (5, 12):
        log(store, run_id, made[start : start + 7], key="loss")
        log(store, run_id, [(start, 1, 1.0)], key="another")
        tail = history_since(run_id, "loss", mark)
        assert not tail.whole
        series, mark = extended(series, tail), tail.mark
    log(store, run_id, made[19:])
    series = extended(series, history_since(run_id, "loss", mark))
    assert triples(series) == triples(history_read(run_id, "loss"))
    again = history_since(run_id, "loss", history_since(run_id, "loss", mark).mark)
    assert triples(extended(series, again)) == triples(series)


@pytest.mark.parametrize("mark", ["", "r", "r99999999", "x1", "r-1", "r1 ", "t5", "é", "r" * 99])
def test_a_mark_that_means_nothing_gives_everything(store: Store, run_id: str, mark: str) -> None:
    log(store, run_id, [(0, 1, 1.0), (1, 2, 2.0)])
    tail = history_since(run_id, "loss", mark)
    assert tail.whole
    assert len(tail.series) == 2


def test_the_last_point_of_each_metric(store: Store, run_id: str) -> None:
    log(store, run_id, [(0, 1, 1.0), (3, 2, math.nan)])
    log(store, run_id, [(9, 9, math.inf)], key="other")
    found = metrics_latest([run_id, "0" * 32])
    assert list(found) == [run_id]
    assert (found[run_id]["loss"].step, found[run_id]["other"].value) == (3, math.inf)
    assert list(metrics_latest([run_id], ["other"])[run_id]) == ["other"]


def test_more_points_than_fit_are_thinned_without_losing_the_extremes(
    store: Store, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_history_sql, "PIECE", 500)
    made = [(step, step, math.sin(step / 50)) for step in range(5_000)]
    made[1234], made[4321], made[77] = (1234, 1, 99.0), (4321, 2, -99.0), (77, 3, math.nan)
    log(store, run_id, made)
    monkeypatch.setattr("workspaces.tracking.history.reading.MOST_POINTS", 1_000)
    series = history_read(run_id, "loss")
    assert not series.complete
    assert len(series) <= 1_500
    assert {1234, 4321, 77} <= set(series.steps.tolist())
    assert np.nanmax(series.values) == 99.0
    assert np.nanmin(series.values) == -99.0


@given(st.lists(numbers, max_size=200), st.integers(2, 20))
def test_thinning_keeps_the_extremes_of_every_stretch(values: list[float], factor: int) -> None:
    rows = np.zeros(len(values), ROW)
    rows["step"] = np.arange(len(values))
    rows["nan"] = np.isnan(values)
    rows["value"] = np.where(rows["nan"], 0, values)
    kept = thinned(rows, factor)
    assert len(kept) <= 3 * (len(values) // factor) + factor
    for start in range(0, len(values) // factor * factor, factor):
        stretch = [value for value in values[start : start + factor] if value == value]
        inside = kept[(kept["step"] >= start) & (kept["step"] < start + factor)]
        if stretch:
            assert inside["value"][~inside["nan"]].max() == max(stretch)
            assert inside["value"][~inside["nan"]].min() == min(stretch)
        if len(stretch) < factor:
            assert inside["nan"].any()


# --- PostgreSQL ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres_uri(postgres_url: str) -> Iterator[str]:
    with postgres_database(postgres_url, "histories") as url:
        yield url


@pytest.fixture
def postgres(postgres_uri: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    from mlflow import MlflowClient

    from workspaces.tracking.store.opening import stores

    use(monkeypatch, tracking_uri=postgres_uri, artifact_root="/nowhere")
    stores()  # makes the tables
    uri = postgres_uri.replace("postgres://", "postgresql+psycopg://")
    return Store(postgres_uri, Path("/nowhere"), MlflowClient(uri, uri))


@pytest.mark.postgres
def test_postgresql_reads_the_same(postgres: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = postgres.run(str(postgres.client.create_experiment("histories")))
    now = 1_700_000_000_000
    odd = [math.nan, math.inf, -math.inf, 1e308, 5e-324]
    made = [(step, now + step, odd[step] if step < 5 else step / 3) for step in range(50)]
    log(postgres, run_id, made[:30])
    tail = history_since(run_id, "loss")
    log(postgres, run_id, made[30:])
    later = history_since(run_id, "loss", tail.mark)
    assert not later.whole
    wanted = worded(made)
    assert triples(extended(tail.series, later)) == wanted
    assert triples(history_read(run_id, "loss")) == wanted
    assert triples(history_read(run_id, "loss", low=1.5, high=4)) == wanted[2:5]
    by_time = history_read(run_id, "loss", axis="time", low=now + 10, high=now + 11.5)
    assert triples(by_time) == wanted[10:12]
    assert worded(history_rows(run_id, "loss")) == wanted
    assert metrics_latest([run_id])[run_id]["loss"].step == 49
    monkeypatch.setattr("workspaces.tracking.history.reading.MOST_POINTS", len(made))
    assert triples(history_read(run_id, "loss")) == wanted  # in one value, as many as may be
    monkeypatch.setattr("workspaces.tracking.history.reading.MOST_POINTS", len(made) - 1)
    fewer = history_read(run_id, "loss")  # one more: row by row, and thinned out
    assert not fewer.complete
    assert set(triples(fewer)) < set(wanted)
    with pytest.raises(NotFound):
        history_read("0" * 32, "loss")
