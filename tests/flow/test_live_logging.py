"""Four clients log 500 metrics a second while people look: pages stay quick, nothing is lost."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from benchmarks.pages import PASSWORD, sign_in
from benchmarks.seed import LARGE, seed
from tests.setup.studio_process import Studio

CLIENTS = 4
BATCHES = 200  # of each client
BATCH = 25
PACE_S = CLIENTS * BATCH / 500
ROUNDS = 15
PROGRAM = f"""
import sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric
client = MlflowClient()
run = client.create_run(sys.argv[1]).info.run_id
print(run, flush=True)
begun = time.monotonic()
for step in range({BATCHES}):
    now = int(time.time() * 1000)
    points = [Metric(f"live_{{n}}", step + n / 100, now, step) for n in range({BATCH})]
    client.log_batch(run, points)
    time.sleep(max(0, begun + (step + 1) * {PACE_S} - time.monotonic()))
print(time.monotonic() - begun)
"""


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    made = Studio.make(SLIPWAY_ADMIN_PASSWORD=PASSWORD).with_store()
    try:
        seed(f"sqlite:///{made.data.tracking_database}", runs=10_000, points=0)
        made.up()
        yield made
    finally:
        made.close()


def _loggers(studio: Studio, experiment: str) -> list[subprocess.Popen[str]]:
    made = studio.manage("token", "create", "admin")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": f"{studio.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": made.stdout.split()[-1],
    }
    command = [sys.executable, "-c", PROGRAM, experiment]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command, env=environment, **pipes) for _ in range(CLIENTS)]  # type: ignore[call-overload]


def _times(client: httpx.Client, pages: list[str]) -> dict[str, float]:
    took: dict[str, list[float]] = {page: [] for page in pages}
    for _ in range(ROUNDS):
        for page in pages:
            begun = time.perf_counter()
            client.get(page).raise_for_status()
            took[page].append(time.perf_counter() - begun)
            time.sleep(0.05)
    return {page: statistics.median(values) for page, values in took.items()}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_pages_stay_quick_and_nothing_is_lost(studio: Studio) -> None:
    with httpx.Client(base_url=studio.url, timeout=30, follow_redirects=True) as client:
        sign_in(client)
        found = client.get("/experiments/", params={"q": LARGE}).text
        experiment = found.split("/experiments/")[1:]
        number = next(part.split("/")[0] for part in experiment if part.split("/")[0].isdigit())
        pages = [
            "/experiments/",
            f"/experiments/{number}/",
            f"/experiments/{number}/?{urlencode({'sort': '-metrics.metric_03'})}",
        ]
        _times(client, pages)
        idle = _times(client, pages)
        loggers = _loggers(studio, number)
        try:
            runs = [logger.stdout.readline().strip() for logger in loggers if logger.stdout]
            busy = _times(client, [*pages, f"/runs/{runs[0]}/metrics/"])
            assert all(logger.poll() is None for logger in loggers), "they ended before the pages"
            ended = [logger.communicate(timeout=200) for logger in loggers]
        finally:
            for logger in loggers:
                logger.kill()
        assert [logger.returncode for logger in loggers] == [0] * CLIENTS, ended
    print(json.dumps({"idle": idle, "busy": busy, "took": [out for out, _err in ended]}))
    _everything_arrived(studio, runs)
    assert {page: busy[page] for page in pages if busy[page] > 2 * idle[page]} == {}


def _everything_arrived(studio: Studio, runs: list[str]) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{studio.data.tracking_database}"
    client = MlflowClient(store, store)
    for run in runs:
        for number in range(BATCH):
            history = client.get_metric_history(run, f"live_{number}")
            assert sorted(point.step for point in history) == list(range(BATCHES))
        latest = client.get_run(run).data.metrics
        assert latest["live_0"] == BATCHES - 1
