"""Runs that a client of MLflow two years older wrote, to a store of today: they browse right."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flow.api import CACHE
from tests.tracking.mlflow_store import use
from tests.tracking.stock_server import stock_server
from workspaces import tracking
from workspaces.tracking.counts import keys_in_use
from workspaces.tracking.history.reading import history_read

OLD = "2.18.0"  # of November 2024
PROGRAM = """
import json, math, sys
import mlflow
from mlflow.entities import Metric
assert mlflow.__version__ == sys.argv[2], mlflow.__version__
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("old / 100 % <b>'ü'")
ids = []
for number in range(3):
    with mlflow.start_run(run_name=f"old {number}", tags={"team": "ü<b>"}) as run:
        mlflow.log_params({"lr": number, "long": "x" * 5000})
        for step in range(20):
            mlflow.log_metric("loss", number + 1 / (step + 1), step=step)
        mlflow.log_metrics({"nan": math.nan, "inf": math.inf, "a/b c.d": number})
        with mlflow.start_run(run_name="child", nested=True):
            mlflow.log_metric("loss", 9.0)
        ids.append(run.info.run_id)
print(json.dumps(ids))
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing but that client."""
    folder = tmp_path_factory.mktemp("old") / "venv"
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "UV_CACHE_DIR": str(CACHE)}
    for command in (
        ["venv", "--python", sys.executable, str(folder)],
        ["pip", "install", "--python", str(folder), f"mlflow-skinny=={OLD}"],
    ):
        subprocess.run([uv, *command], env=environment, check=True, capture_output=True, text=True)
    return folder / "bin" / "python"


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_runs_of_an_older_client_browse_right(
    old_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stock_server(tmp_path) as server:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        done = subprocess.run(
            [old_python, "-c", PROGRAM, server, OLD],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        ids = json.loads(done.stdout.splitlines()[-1])
        for uri in (server, f"sqlite:///{tmp_path}/m.db"):
            use(monkeypatch, tracking_uri=uri, artifact_root=str(tmp_path / "artifacts"))
            _browses_right(ids)


def _browses_right(ids: list[str]) -> None:
    (experiment,) = tracking.experiments_search(text="old / 100 % <b>'ü'").items
    page = tracking.runs_search(
        experiment_ids=[experiment.id],
        filter="tags.team = 'ü<b>' and metrics.`a/b c.d` >= 0",
        order_by=["metrics.`a/b c.d` DESC"],
    )
    assert [run.id for run in page.items] == ids[::-1]
    run = page.items[0]
    assert (run.name, run.params["long"], run.status) == ("old 2", "x" * 5000, "FINISHED")
    assert math.isnan(run.metrics["nan"])
    assert run.metrics["inf"] == math.inf
    assert tracking.run_get(ids[0]).name == "old 0"
    series = history_read(ids[1], "loss")
    assert (series.steps.tolist(), series.complete) == (list(range(20)), True)
    assert series.values[0] == 2.0
    children = tracking.runs_search(
        experiment_ids=[experiment.id], filter=f"tags.`mlflow.parentRunId` = '{ids[0]}'"
    )
    assert [child.name for child in children.items] == ["child"]
    assert {"loss", "nan", "inf", "a/b c.d"} <= set(keys_in_use([experiment.id]).metrics)
