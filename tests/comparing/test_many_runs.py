"""Many runs read at once are the runs that MLflow itself would give, in a few queries."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace

import pytest

from tests.comparing.made import statements
from tests.tracking.mlflow_store import Store
from workspaces import tracking
from workspaces.tracking.history.reading import histories_read
from workspaces.tracking.many import runs_read
from workspaces.tracking.run_versions import versions_of_runs

ODD = "a'b\"c`d/%é <x>"


@pytest.fixture
def runs(store: Store) -> list[str]:
    experiments = [store.experiment("one"), store.experiment("two")]
    found = [
        store.run(
            experiments[number % 2],
            f"run {number}",
            params={"p": str(number), "long": "x" * 5_000},
            metrics={"m": float(number), "bad": math.nan, "huge": -math.inf},
            tags={"t": ODD},
        )
        for number in range(5)
    ]
    found.append(store.run(experiments[0], "going", end=""))
    store.client.delete_run(found[1])
    return found


def test_they_are_the_same_as_one_by_one(store: Store, runs: list[str]) -> None:
    for found in runs_read(runs):
        alone = replace(tracking.run_get(found.id), datasets=(), model_ids=())
        assert str(found) == str(alone)  # as text: NaN is not equal to itself


def test_they_come_in_the_order_asked_for_each_once(store: Store, runs: list[str]) -> None:
    asked = [runs[3], runs[0], runs[3], uuid.uuid4().hex, "no'id", "", runs[1]]
    assert [found.id for found in runs_read(asked)] == [runs[3], runs[0], runs[1]]
    assert runs_read([]) == runs_read(["unknown"]) == []


def test_many_runs_take_as_few_queries_as_two(store: Store) -> None:
    experiment = store.experiment("many")
    runs = [store.run(experiment, metrics={"m": float(n)}) for n in range(30)]
    versions_of_runs(runs)  # opens the store
    counts = []
    for few in (runs[:2], runs):
        with statements() as asked:
            assert len(runs_read(few)) == len(few)
            assert len(histories_read(few, "m")) == len(few)
            assert versions_of_runs(few) == {}
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_versions_are_found_by_their_runs_with_aliases(store: Store, runs: list[str]) -> None:
    for name in ("plain", "it's odd"):
        store.client.create_registered_model(name)
        for run_id in runs[:2]:
            store.client.create_model_version(name, f"runs:/{run_id}/model", run_id)
    store.client.set_registered_model_alias("plain", "champion", "1")
    store.client.set_registered_model_alias("it's odd", "old", "2")
    found = versions_of_runs(runs)
    named = {(v.name, v.version, v.aliases) for versions in found.values() for v in versions}
    assert set(found) == set(runs[:2])
    assert named == {
        ("plain", "1", ("champion",)),
        ("plain", "2", ()),
        ("it's odd", "1", ()),
        ("it's odd", "2", ("old",)),
    }
