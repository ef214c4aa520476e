"""Stores that MLflow made itself, in SQLite, in PostgreSQL and behind http: one answer from all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tracking.made_stores import postgres_database
from tests.tracking.mlflow_store import Store, open_store, use
from tests.tracking.stock_server import stock_server
from workspaces import tracking
from workspaces.errors import Invalid, NotFound
from workspaces.tracking.counts import (
    children_counted,
    keys_in_use,
    runs_children,
    runs_matching,
    runs_total,
)
from workspaces.tracking.history.reading import (
    Series,
    extended,
    histories_read,
    history_read,
    history_rows,
    history_since,
    metrics_latest,
)
from workspaces.tracking.values import Only

ODD = {"nan": math.nan, "up": math.inf, "down": -math.inf, "плюс/a b.c": 1.5}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stock_server(tmp_path_factory.mktemp("stock")) as uri:
        yield uri


@pytest.fixture(scope="module")
def postgres_uri(postgres_url: str) -> Iterator[str]:
    with postgres_database(postgres_url, "of_mlflow") as url:
        yield url


def _at(uri: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    from mlflow import MlflowClient

    use(monkeypatch, tracking_uri=uri, artifact_root="/nowhere")
    tracking.stores()
    plain = uri.replace("postgres://", "postgresql+psycopg://")
    return Store(uri, Path("/nowhere"), MlflowClient(plain, plain))


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "http"],
)
def made(
    request: pytest.FixtureRequest,
    mlflow_template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    """A store that a client of MLflow fills by MLflow's own ways alone."""
    if request.param == "sqlite":
        return open_store(mlflow_template, tmp_path, monkeypatch)
    if request.param == "postgresql":
        return _at(request.getfixturevalue("postgres_uri"), monkeypatch)
    for name in ("TIMEOUT", "MAX_RETRIES"):
        monkeypatch.delenv(f"MLFLOW_HTTP_REQUEST_{name}", raising=False)
    return _at(request.getfixturevalue("server"), monkeypatch)


@pytest.mark.timeout(180)
def test_runs_browse_alike(made: Store) -> None:
    experiment = str(made.client.create_experiment("lists: 100 %/<b>'\"ü"))
    odd = made.run(experiment, "<i>odd</i> 'ü' %", metrics=ODD, params={"long": "x" * 5000})
    empty = made.run(experiment, "empty", end="")
    better = made.run(experiment, "better", metrics={"плюс/a b.c": 0.5}, params={"long": "y"})
    gone = made.run(experiment, "gone", metrics={"плюс/a b.c": 0.1})
    made.client.delete_run(gone)
    _pages_are_right(experiment, [better, odd, empty])
    (deleted,) = tracking.runs_search(experiment_ids=[experiment], view="deleted").items
    assert (deleted.id, deleted.deleted) == (gone, True)
    everything = tracking.runs_search(experiment_ids=[experiment], view="all").items
    assert {run.id for run in everything} == {odd, empty, better, gone}
    run = next(run for run in everything if run.id == odd)
    assert {key: repr(value) for key, value in run.metrics.items()} == {
        key: repr(value) for key, value in ODD.items()
    }
    assert (run.name, run.params["long"]) == ("<i>odd</i> 'ü' %", "x" * 5000)
    with pytest.raises(Invalid):
        tracking.runs_search(experiment_ids=[experiment], filter="params.long = 1")


def _pages_are_right(experiment: str, in_order: list[str]) -> None:
    found, token = [], ""
    while True:
        page = tracking.runs_search(
            experiment_ids=[experiment],
            order_by=["metrics.`плюс/a b.c` ASC"],
            page_token=token,
            limit=2,
        )
        found += [run.id for run in page.items]
        token = page.next_token
        if not token:
            break
    assert found == in_order
    only = Only(metrics=("up",), params=(), tags=())
    (run,) = tracking.runs_search(
        experiment_ids=[experiment], filter="params.long LIKE 'x%'", only=only
    ).items
    assert (dict(run.metrics), dict(run.params)) == ({"up": math.inf}, {})


def test_counts_names_and_children_are_known_or_said_to_be_unknown(made: Store) -> None:
    experiment = str(made.client.create_experiment("counts"))
    parent = made.run(experiment, "parent", metrics={"m": 1}, params={"p": "1"})
    child = made.run(experiment, "child", "FAILED", tags={"mlflow.parentRunId": parent})
    keys = keys_in_use([experiment])
    assert (keys.metrics, keys.params, keys.complete) == (("m",), ("p",), True)
    assert "mlflow.parentRunId" in keys.tags
    assert [run.id for run in runs_children(tracking.run_get(parent)).items] == [child]
    if made.uri.startswith("http"):
        assert runs_total([experiment]) is None
        assert children_counted([parent]) is None
        assert runs_matching([experiment], "metrics.m = 1") is None
        return
    assert runs_total([experiment]) == 2
    assert children_counted([parent, child]) == {parent: 1}
    assert runs_matching([experiment], "metrics.m = 1") == 1


def _words(series: Series) -> list[tuple[int, int, str]]:
    columns = (series.steps.tolist(), series.times_ms.tolist(), series.values.tolist())
    return [(step, at, repr(value)) for step, at, value in zip(*columns, strict=True)]


def _log(store: Store, run_id: str, points: list[tuple[int, int, float]]) -> None:
    from mlflow.entities import Metric

    store.client.log_batch(run_id, [Metric("loss", v, at, step) for step, at, v in points])


@pytest.mark.timeout(180)
def test_histories_are_read_alike(made: Store) -> None:
    experiment = str(made.client.create_experiment("histories"))
    run_id, other = made.run(experiment, "one"), made.run(experiment, "two")
    now = 1_700_000_000_000
    odd = [math.nan, math.inf, -math.inf, 1e308, 5e-324]
    points = [(step, now + step, odd[step] if step < 5 else step / 3) for step in range(40)]
    wanted = [(step, at, repr(value)) for step, at, value in points]
    _log(made, run_id, points[:25])
    tail = history_since(run_id, "loss")
    assert _words(history_since(run_id, "loss", tail.mark).series) in ([], wanted[:25])
    _log(made, run_id, points[25:])
    later = history_since(run_id, "loss", tail.mark)
    assert _words(extended(tail.series, later)) == wanted
    assert _words(history_read(run_id, "loss")) == wanted
    assert _words(history_read(run_id, "loss", low=2.5, high=6)) == wanted[3:7]
    assert _words(history_read(run_id, "loss", low=6, high=2)) == []
    by_time = history_read(run_id, "loss", axis="time", low=now + 38)
    assert _words(by_time) == wanted[38:]
    rows = [(step, at, repr(value)) for step, at, value in history_rows(run_id, "loss")]
    assert rows == wanted
    found = histories_read([run_id, other, "0" * 32], "loss", low=39)
    assert [_words(found[i]) for i in (run_id, other, "0" * 32)] == [wanted[39:], [], []]
    assert metrics_latest([run_id, "0" * 32])[run_id]["loss"].step == 39
    assert np.isnan(found[run_id].values).sum() == 0


def test_a_run_that_does_not_exist_is_not_found(made: Store) -> None:
    with pytest.raises(NotFound):
        history_read("0" * 32, "loss")
    with pytest.raises(NotFound):
        history_since("0" * 32, "loss")
    with pytest.raises(NotFound):
        next(history_rows("0" * 32, "loss"))
    assert histories_read(["0" * 32], "loss")["0" * 32].complete
    assert metrics_latest(["0" * 32]) == {}
