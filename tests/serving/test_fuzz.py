"""Thousands of requests that are wrong in every way: nothing crashes, nothing else is harmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.serving.backends import GatewayProcess, unused_port
from tests.serving.fuzzing import COLUMNS, Sent, ask, requests, statuses
from tests.serving.replica import Replica

# 500 is for the exceptions of a script, and this model has none; nothing here takes long either
FORBIDDEN = {500, 502, 504}
BODY = {"dataframe_split": {"columns": COLUMNS, "data": [[0.01] * 10]}}
PREFIX = "/api/v1/service/diabetes"
FEW, MANY = 170, 3400  # of each of three ways: 510 and 10,200 requests


@pytest.fixture(scope="module", params=["fast", "plain"])
def replica(
    request: pytest.FixtureRequest, diabetes_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replica]:
    """A replica of one worker that batches, by each loader."""
    folder = tmp_path_factory.mktemp("fuzzed") / "replica"
    limits = {"loader": request.param, "batch": True, "max_body_bytes": 250_000}
    made = Replica(folder, diabetes_model, **limits)
    try:
        yield made.started()
    finally:
        made.stop()


@pytest.fixture(scope="module")
def gateway(replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway before it."""
    made = GatewayProcess(tmp_path_factory.mktemp("front"), unused_port())
    made.route(diabetes=[(replica.url, 100)])
    yield made
    made.stop()


def fuzz(replica: Replica, port: int, count: int, prefix: str = "") -> None:
    """Send what hypothesis makes; the same worker must serve on and answer as before."""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(sent=requests)
    def no_answer_blames_the_server(sent: Sent) -> None:
        if sent.path.startswith("/"):
            sent = replace(sent, path=prefix + sent.path)
        assert FORBIDDEN.isdisjoint(statuses(ask(port, sent)))

    before, workers = replica.post("/score", BODY).json(), replica.worker_pids()
    no_answer_blames_the_server()
    assert replica.post("/score", BODY).json() == before
    assert replica.worker_pids() == workers
    assert replica.record()["restarts"] == 0
    # what the model itself refuses is a 400, and the log says where in the model
    faults = [line for line in replica.log().splitlines() if "Traceback" in line]
    assert [line for line in faults if '"input refused by the model"' not in line] == []


def test_a_runtime_answers_what_is_wrong_and_serves_on(replica: Replica) -> None:
    fuzz(replica, replica.record()["port"], FEW)


def test_so_it_does_behind_the_gateway(replica: Replica, gateway: GatewayProcess) -> None:
    fuzz(replica, gateway.port, FEW // 2, PREFIX)
    assert gateway.process.poll() is None
    assert "traceback" not in gateway.log.read_text().lower()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_runtime_answers_thousands(replica: Replica) -> None:
    fuzz(replica, replica.record()["port"], MANY)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_thousands_behind_the_gateway(replica: Replica, gateway: GatewayProcess) -> None:
    fuzz(replica, gateway.port, MANY // 2, PREFIX)
    assert gateway.process.poll() is None
    assert "traceback" not in gateway.log.read_text().lower()
