"""The store that benchmarks fill: what is in it, and which stores it leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.seed import LARGE, LONG, RefusedError, seed
from tests.tracking.made_stores import postgres_database
from tests.tracking.mlflow_store import make_template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("seeded"))


@pytest.fixture
def uri(template: Path, tmp_path: Path) -> str:
    shutil.copy(template, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def _is_as_told(uri: str) -> None:
    from mlflow import MlflowClient

    long_run = seed(uri, runs=200, points=3_000)
    client: Any = MlflowClient(uri, uri)
    experiments = [row for row in client.search_experiments() if row.name != "Default"]
    assert len(experiments) == 20
    counts = {row.name: len(client.search_runs([row.experiment_id])) for row in experiments}
    assert counts.pop(LARGE) == 160
    assert sum(counts.values()) == 40
    run = client.search_runs([client.get_experiment_by_name(LARGE).experiment_id])[0]
    assert [len(values) for values in (run.data.metrics, run.data.params, run.data.tags)] == [
        20,
        20,
        5,
    ]
    assert len(client.get_metric_history(run.info.run_id, "metric_00")) == 1
    history = client.get_metric_history(long_run, LONG)
    assert len(history) == 3_000
    assert client.get_run(long_run).data.metrics[LONG] == history[-1].value
    with pytest.raises(RefusedError, match="runs in this store"):
        seed(uri, runs=1)


def test_it_has_as_many_of_everything_as_it_says(uri: str) -> None:
    _is_as_told(uri)


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_url: str) -> None:
    with postgres_database(postgres_url, "seeded") as url:
        _is_as_told(url.replace("postgres://", "postgresql+psycopg://"))


def test_the_studios_own_store_is_left_alone(tmp_path: Path, source_root: Path) -> None:
    store = f"sqlite:///{tmp_path}/data/mlflow.db"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.seed", store, "--runs", "10"],
        cwd=source_root,
        env={**os.environ, "SLIPWAY_DATA_DIR": f"{tmp_path}/data", "SLIPWAY_TRACKING_URI": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "studio's own store" in done.stderr
    assert not (tmp_path / "data" / "mlflow.db").exists()
