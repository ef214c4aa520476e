"""Around a scoring: health, ids, sizes, queue, timeouts, exceptions, log lines, documents."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.serving.replica import KEY, Replica, wait_until


def act(action: str, amount: float = 0) -> dict[str, Any]:
    return {"data": [{"action": action, "amount": amount}]}


@pytest.fixture
def quiet(scripted: Replica) -> Iterator[Replica]:
    """The scripted replica; after the test it is waited for until its model is free again."""
    yield scripted
    wait_until(
        lambda: scripted.post("/score", act("nothing")).status_code == 200, "the model is free", 20
    )


def test_health_says_what_runs_to_who_asks_for_json(diabetes: Replica) -> None:
    answer = diabetes.get("/health", key=None, accept="application/json")

    assert answer.json() == {"state": "ready", "digest": "digest-1", "auth_version": 1}


def test_root_answers_as_azure_does(diabetes: Replica) -> None:
    answer = diabetes.get("/", key=None)

    assert answer.text == "Healthy"
    assert answer.headers["content-type"].startswith("text/html")


def test_ping_and_version_answer_as_mlflow_does(diabetes: Replica) -> None:
    from mlflow.version import VERSION

    assert diabetes.get("/ping", key=None).text == "\n"
    assert diabetes.get("/version").text == VERSION


def test_the_openapi_document_holds_the_signature_and_the_example(diabetes: Replica) -> None:
    document = diabetes.get("/swagger.json?version=3").json()

    given = document["components"]["schemas"]["ServiceInput"]
    record = given["properties"]["dataframe_records"]["items"]
    assert record["properties"]["bmi"] == {"type": "number", "format": "double"}
    assert record["required"][0] == "age"
    assert diabetes.post("/score", given["example"]).status_code == 200
    assert document["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"


def test_the_api_document_is_there_in_every_version(diabetes: Replica) -> None:
    asked = ["", "?version=2", "?version=2.0", "?version=3", "?version=3.0", "?version=3.1"]
    found = [diabetes.get("/swagger.json" + query).json() for query in asked]

    numbers = [document.get("swagger", document.get("openapi")) for document in found]
    assert numbers == ["2.0", "2.0", "2.0", "3.0.3", "3.0.3", "3.1.0"]
    for document in found:
        assert document["paths"]["/score"]["post"]["operationId"] == "RunMLService"
        assert document["paths"]["/swagger.json"]["get"]["operationId"] == "GetSwaggerSpec"
    oldest = found[0]
    (body,) = oldest["paths"]["/score"]["post"]["parameters"]
    assert body["schema"] == {"$ref": "#/definitions/ServiceInput"}
    assert diabetes.post("/score", oldest["definitions"]["ServiceInput"]["example"]).ok
    assert "#/components" not in json.dumps(oldest)


@pytest.mark.parametrize("asked", ["4", "", "3.2", "two"])
def test_another_version_of_the_api_document_is_a_404(diabetes: Replica, asked: str) -> None:
    answer = diabetes.get(f"/swagger.json?version={asked}")

    assert answer.status_code == 404
    text = f"Swagger version [{asked}] is not valid. Supported versions: [2, 3, 3.1]."
    assert answer.json() == {"message": text}


def test_a_request_id_is_made_or_kept(diabetes: Replica) -> None:
    made = diabetes.get("/health").headers["x-request-id"]

    assert len(made) == 36
    assert diabetes.get("/health").headers["x-request-id"] != made
    assert diabetes.get("/health", x_request_id="mine").headers["x-request-id"] == "mine"


def test_a_request_id_of_more_than_100_characters_is_a_431(diabetes: Replica) -> None:
    assert diabetes.get("/health", x_request_id="x" * 100).status_code == 200
    answer = diabetes.get("/health", x_request_id="x" * 101)

    assert answer.status_code == 431
    assert "must not exceed 100 characters" in answer.json()["message"]


def test_a_body_above_the_limit_is_refused_by_its_declared_length_alone(diabetes: Replica) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", diabetes.record()["port"], timeout=10)
    connection.putrequest("POST", "/score")
    connection.putheader("Authorization", f"Bearer {KEY}")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()

    assert connection.getresponse().status == 413
    connection.close()


def test_a_chunked_body_above_the_limit_is_refused_while_it_comes(diabetes: Replica) -> None:
    import requests

    blocks = (b" " * 1000 for _ in range(300))
    headers = {"authorization": f"Bearer {KEY}"}
    answer = requests.post(diabetes.url + "/score", data=blocks, headers=headers, timeout=30)

    assert answer.status_code == 413
    assert "200000 bytes" in answer.json()["message"]


def test_a_body_at_the_limit_is_read(diabetes: Replica) -> None:
    body = json.dumps({"data": [[0.1] * 10]})

    assert diabetes.post("/score", body.ljust(200_000)).status_code == 200
    assert diabetes.post("/score", body.ljust(200_001)).status_code == 413


def test_health_answers_while_the_model_is_busy(quiet: Replica) -> None:
    busy = threading.Thread(target=quiet.post, args=("/score", act("sleep", 1)))
    busy.start()
    wait_until(lambda: quiet.post("/score", act("nothing")).status_code == 503, "it is busy", 5)

    assert quiet.get("/health").status_code == 200
    assert busy.is_alive()
    busy.join()


def test_who_waits_longer_than_the_queue_allows_gets_a_503(quiet: Replica) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: quiet.post("/score", act("sleep", 1)), range(2)))

    assert sorted(answer.status_code for answer in answers) == [200, 503]
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.headers["retry-after"] == "1"
    assert "overloaded" in refused.json()["message"]


def test_who_waits_a_little_is_served(quiet: Replica) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: quiet.post("/score", act("sleep", 0.1)), range(2)))

    assert [answer.status_code for answer in answers] == [200, 200]


def test_a_call_past_its_timeout_is_a_504(quiet: Replica) -> None:
    answer = quiet.post("/score", act("sleep", 2))

    assert answer.status_code == 504
    assert answer.json() == {"message": "Scoring timeout after 1500 ms."}


def test_an_exception_of_the_model_is_a_500_with_its_traceback_in_the_log(quiet: Replica) -> None:
    answer = quiet.post("/score", act("raise"), x_request_id="raised-here")

    assert answer.status_code == 500
    assert "the model's own fault" not in answer.text
    lines = [line for line in quiet.log_lines() if line.get("request_id") == "raised-here"]
    assert any("the model's own fault" in line.get("traceback", "") for line in lines)


def test_an_answer_that_is_no_json_is_the_models_fault(quiet: Replica) -> None:
    assert quiet.post("/score", act("set")).status_code == 500


def test_each_request_has_its_log_line(quiet: Replica) -> None:
    quiet.post("/score", act("nothing"), x_request_id="logged")

    line = wait_until(
        lambda: [x for x in quiet.log_lines() if x.get("request_id") == "logged"], "the line", 5
    )[0]
    assert (line["level"], line["path"], line["status"]) == ("INFO", "/score", 200)
    assert line["ms"] > 0
    assert line["time"].endswith("Z")


def test_what_the_model_prints_and_warns_carries_the_requests_id(quiet: Replica) -> None:
    quiet.post("/score", act("raise"), x_request_id="prints")
    quiet.post("/score", act("warn"), x_request_id="warns")

    lines = {line["message"]: line for line in quiet.log_lines() if "stream" in line}
    assert lines["the model is about to raise"]["request_id"] == "prints"
    assert lines["the model is about to raise"]["stream"] == "stdout"
    warned = next(line for message, line in lines.items() if "the model warns" in message)
    assert (warned["request_id"], warned["stream"]) == ("warns", "stderr")
    assert "scripted model loads" in quiet.log().splitlines()


def test_metrics_count_by_code_and_measure_latency(diabetes: Replica) -> None:
    diabetes.post("/score", {"data": [[0.1] * 10]})
    text = diabetes.get("/metrics").text

    assert 'slipway_requests_total{caller="client",code="200",model="diabetes",version="7"}' in text
    labels = 'model="diabetes",version="7"'
    assert f'slipway_request_seconds_bucket{{caller="client",{labels},le="+Inf"}}' in text
    assert f"slipway_memory_bytes{{{labels}}} " in text
    assert f"slipway_model_load_seconds{{{labels}}} " in text
