"""Counts, names in use and children, as the pages show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tracking.made_stores import fill
from tests.tracking.mlflow_store import Store, use
from workspaces import tracking
from workspaces.tracking import counts as tracking_counts
from workspaces.tracking.counts import (
    children_counted,
    keys_in_use,
    runs_children,
    runs_matching,
    runs_total,
)
from workspaces.tracking.store.opening import stores
from workspaces.tracking.values import Only


@pytest.fixture(scope="module")
def filled(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """1,200 runs in one experiment; of five, one failed and one is deleted; each has a parent."""
    file = tmp_path_factory.mktemp("counts") / "mlflow.db"
    file.write_bytes(mlflow_template.read_bytes())
    uri = f"sqlite:///{file}"
    from sqlalchemy import create_engine

    engine = create_engine(uri)
    fill(engine, [_run(number) for number in range(1_200)], (1, 2))
    engine.dispose()
    return uri


def _run(number: int) -> dict[str, Any]:
    return {
        "run_uuid": f"{number:032x}",
        "experiment_id": 1,
        "start_time": 1_000 + number,
        "status": "FAILED" if number % 5 == 0 else "FINISHED",
        "lifecycle_stage": "deleted" if number % 5 == 1 else "active",
        "metrics": {"loss": float(number), f"only {number // 100}": 1.0},
        "params": {"lr": str(number % 3)},
        "tags": {"mlflow.parentRunId": f"{number // 2:032x}"} if number else {},
    }


@pytest.fixture
def large(filled: str, monkeypatch: pytest.MonkeyPatch) -> str:
    use(monkeypatch, tracking_uri=filled, artifact_root="/nowhere")
    stores()
    return filled


def test_runs_are_counted(large: str) -> None:
    assert runs_total(["1"]) == 960
    assert runs_total(["1"], view="deleted") == 240
    assert runs_total(["1"], view="all") == 1_200
    for wrong in ([], ["2"], ["abc"], ["9" * 40]):
        assert runs_total(wrong) == 0


def test_many_runs_are_counted_once_in_a_while(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[list[int]] = []
    count = tracking_counts._total_counted
    monkeypatch.setattr(
        tracking_counts, "_total_counted", lambda ids, view: counted.append(ids) or count(ids, view)
    )
    assert [runs_total(["1"]), runs_total(["1"])] == [960, 960]
    assert len(counted) == 2
    monkeypatch.setattr(tracking_counts, "MANY_RUNS", 500)
    assert [runs_total(["1"]), runs_total(["1"]), runs_total(["1"], view="all")] == [960, 960, 1200]
    assert len(counted) == 4
    monkeypatch.setattr(tracking_counts, "TOTALS_KEPT_S", 0.0)
    assert runs_total(["1"]) == 960
    assert len(counted) == 5


def test_what_a_filter_leaves_is_counted_up_to_a_bound(large: str) -> None:
    assert runs_matching(["1"], "metrics.loss >= 1190") == 8
    assert runs_matching(["1"], "params.lr = '1'") == 320
    assert runs_matching(["1"], "params.lr = '1'", most=100) == 100
    assert runs_matching(["1"], "", view="all") == 1_200
    assert runs_matching([], "") == 0
    assert runs_matching(["1"], "dataset.name = 'x'") is None


def test_names_of_a_large_experiment_are_those_of_its_newest_and_oldest_runs(large: str) -> None:
    keys = keys_in_use(["1"])
    assert not keys.complete
    assert keys.params == ("lr",)
    assert keys.tags == ("mlflow.parentRunId",)
    assert {"loss", "only 11", "only 8", "only 0"} <= set(keys.metrics)
    assert "only 4" not in keys.metrics


def test_names_of_a_small_experiment_are_all(store: Store) -> None:
    experiment = store.experiment("small")
    store.run(experiment, metrics={"b": 1, "a/ü": 2}, params={"p": "1"})
    store.run(experiment, metrics={"c": 1}, tags={"t": "1"})
    keys = keys_in_use([experiment])
    assert keys.complete
    assert keys.metrics == ("a/ü", "b", "c")
    assert (keys.params, "t" in keys.tags) == (("p",), True)
    assert keys_in_use([experiment]) is keys  # completion asks at every letter


def test_a_run_with_very_many_names_is_not_read_to_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_counts, "MOST_ROWS", 30)
    experiment = store.experiment("wide")
    store.run(experiment, metrics={f"m{number}": 1.0 for number in range(100)})
    keys = keys_in_use([experiment])
    assert (len(keys.metrics), keys.complete) == (30, False)


def test_children_are_counted_and_listed(large: str) -> None:
    parent, childless = f"{4:032x}", f"{700:032x}"
    assert children_counted([parent, childless, "x"]) == {parent: 2}
    assert children_counted([f"{5:032x}"]) == {f"{5:032x}": 1}  # the other one is deleted
    page = runs_children(tracking.run_get(parent), order_by=["metrics.loss ASC"])
    assert [run.id for run in page.items] == [f"{8:032x}", f"{9:032x}"]
    assert {run.parent_id for run in page.items} == {parent}


def test_only_what_is_wanted_is_fetched(store: Store) -> None:
    experiment = store.experiment("wide")
    store.run(
        experiment,
        "one",
        metrics={f"m{number}": float(number) for number in range(1_000)},
        params={"p": "1", "q": "2"},
        tags={"t": "1", "mlflow.user": "ann"},
    )
    only = Only(metrics=("m7", "none"), params=(), tags=("t",))
    (run,) = tracking.runs_search(experiment_ids=[experiment], only=only).items
    assert (dict(run.metrics), dict(run.steps)) == ({"m7": 7.0}, {"m7": 0})
    assert (dict(run.params), run.own_tags) == ({}, {"t": "1"})
    assert (run.name, run.user) == ("one", "ann")
