"""A studio on top of an MLflow server that somebody already runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.flow.api import Api, start
from tests.flow.test_many_at_once import ROW
from tests.setup.studio_process import empty_store
from tests.tracking.stock_server import stock_server

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a stock `mlflow server` with one run that logged a model."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty_store(), f"{folder}/m.db")
        with stock_server(Path(folder)) as url:
            train = Path(__file__).with_name("train.py")
            environment = {**os.environ, "MLFLOW_TRACKING_URI": url}
            subprocess.run(
                [sys.executable, train, "good"], env=environment, check=True, timeout=240
            )
            yield url


@pytest.fixture(scope="module")
def api(server: str) -> Iterator[Api]:
    made = start(SLIPWAY_TRACKING_URI=server)
    try:
        yield made
    finally:
        made.studio.close()


def test_its_experiments_are_there_on_the_first_start(api: Api) -> None:
    names = [row["name"] for row in api.get("/experiments")["items"]]
    assert "flow" in names
    assert "tracking" not in api.studio.alive()


def test_a_model_of_its_runs_is_registered_there_deployed_and_scored(api: Api, server: str) -> None:
    [experiment] = [row for row in api.get("/experiments")["items"] if row["name"] == "flow"]
    [run] = api.get(f"/experiments/{experiment['id']}/runs")["items"]
    made = api.call("POST", "/models", json={"run_id": run["id"], "name": "remote"})
    assert made.status_code == 201, made.text
    there = httpx.get(f"{server}/api/2.0/mlflow/registered-models/get", params={"name": "remote"})
    assert there.status_code == 200
    api.models["good"] = "models:/remote/1"
    api.deploy("remote")
    api.healthy("remote")
    answer = api.score("remote", json={"dataframe_records": [ROW]}, headers=api.key("remote"))
    assert answer.status_code == 200, answer.text


def test_a_stock_client_reaches_it_through_the_studio_with_a_token(api: Api) -> None:
    path = "/mlflow/api/2.0/mlflow/experiments/get-by-name"
    params = {"experiment_name": "flow"}
    refused = httpx.get(f"{api.studio.url}{path}", params=params)
    assert refused.status_code == 401
    headers = {"authorization": f"Bearer {api.token}"}
    allowed = httpx.get(f"{api.studio.url}{path}", params=params, headers=headers)
    assert allowed.json()["experiment"]["name"] == "flow"
