"""Routes beside scoring, and settings that must hold on the direct lane and beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.serving.replica import KEY, Replica, wait_until

Replicas = Callable[..., Replica]
ROW = {"data": [[0.1] * 10]}
WAYS = ["/score", "/score?by=asgi"]  # a query is nothing for the direct lane


def test_head_of_the_root_is_answered_as_get_is(diabetes: Replica) -> None:
    answer = requests.head(diabetes.url + "/", timeout=10)

    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["content-length"] == "7"


def test_docs_is_one_page_with_nothing_from_elsewhere(diabetes: Replica) -> None:
    answer = diabetes.get("/docs", key=None)

    assert answer.headers["content-type"].startswith("text/html")
    assert "swagger.json" in answer.text
    assert "//" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_open_inference_protocol_tells_of_server_and_model(diabetes: Replica) -> None:
    assert diabetes.get("/v2").json()["name"] == "slipway"
    assert diabetes.get("/v2/health/live").json() == {"live": True}
    assert diabetes.get("/v2/health/ready").json()["ready"] is True
    for model in ("/v2/models/diabetes", "/v2/models/diabetes/versions/7"):
        assert diabetes.get(model).json()["name"] == "diabetes"
        assert diabetes.get(f"{model}/ready").status_code == 200


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/diabetes/versions/8/ready", "/v2/models/{name}"]
)
def test_another_model_is_a_404_in_the_protocols_shape(diabetes: Replica, path: str) -> None:
    answer = diabetes.get(path)

    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("path", ["/v2/models/diabetes/infer", "/v2/models/diabetes/infer?by=asgi"])
def test_errors_of_the_protocol_have_its_shape_either_way(diabetes: Replica, path: str) -> None:
    answer = diabetes.post(path, ROW, key="wrong")

    assert answer.status_code == 401
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("path", WAYS)
def test_both_ways_answer_the_same(diabetes: Replica, path: str) -> None:
    good = diabetes.post(path, ROW, x_request_id="mine")
    packed = diabetes.post(path, ROW, content_encoding="gzip")
    odd = diabetes.post(path, ROW, content_type="image/png")
    long = diabetes.post(path, ROW, x_request_id="x" * 101)

    assert good.headers["x-request-id"] == "mine"
    assert good.headers["content-type"] == "application/json"
    assert [x.status_code for x in (good, packed, odd, long)] == [200, 415, 415, 431]
    assert "Content-Encoding" in packed.json()["message"]
    assert "image/png" in odd.json()["message"]


def test_verbose_errors_and_no_access_log_hold_either_way(
    replicas: Replicas, scripted_model: Path
) -> None:
    service = replicas(scripted_model, verbose_errors=True, access_log=False).started()
    for path in WAYS:
        answer = service.post(path, {"data": [{"action": "raise", "amount": 0}]})
        assert answer.status_code == 500
        assert "the model's own fault" in answer.json()["message"]
    assert service.post("/score", ROW, key="wrong").status_code == 401

    assert not [line for line in service.log_lines() if line["message"] == "request"]


def test_metrics_tell_of_batches_and_queue(diabetes: Replica) -> None:
    labels = 'model="diabetes",version="7"'

    def batches() -> int:
        lines = diabetes.get("/metrics").text.splitlines()
        name = f"slipway_batch_requests_count{{{labels}}} "
        return next(int(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = batches()
    for path in WAYS:
        diabetes.post(path, ROW)

    assert batches() == before + 2
    assert f"slipway_queue_requests{{{labels}}} 0" in diabetes.get("/metrics").text


def test_sigterm_under_load_loses_no_request(replicas: Replicas, diabetes_model: Path) -> None:
    service = replicas(diabetes_model, access_log=False).started()
    url, headers = service.url, {"authorization": f"Bearer {KEY}"}
    statuses: list[int] = []
    failures: list[requests.ConnectionError] = []

    def ask_until_refused() -> None:
        session = requests.Session()
        try:
            while True:
                answer = session.post(url + "/score", json=ROW, headers=headers, timeout=10)
                statuses.append(answer.status_code)
        except requests.ConnectionError as error:
            failures.append(error)

    askers = [threading.Thread(target=ask_until_refused) for _ in range(8)]
    for asker in askers:
        asker.start()
    wait_until(lambda: len(statuses) > 50, "requests flow")
    assert service.process is not None
    service.process.terminate()
    for asker in askers:
        asker.join(20)

    assert service.wait_for_exit(20) == 0
    assert set(statuses) == {200}
    assert len(failures) == 8
    assert all("refused" in str(error) for error in failures)  # the next one, never one under way
