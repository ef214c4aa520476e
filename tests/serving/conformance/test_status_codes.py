"""Section 2.2 of the v1 contract: statuses and their texts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.serving.replica import KEY, Replica, wait_until

UNEXPECTED = "An unexpected error occurred in scoring script. Check the logs for more info."
INPUT = {"num": [[1, 2]], "frame": [{"a": 1, "b": "x"}]}


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


@pytest.mark.parametrize("body", ["fail", "exit", "object"])
def test_an_exception_of_run_is_a_500_that_tells_nothing(plain: Replica, body: str) -> None:
    """SystemExit ends no worker; a result that is no JSON is the script's failure too."""
    before = plain.worker_pids()
    answer = plain.post("/score", body)
    assert refusal(answer) == (500, UNEXPECTED)
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert plain.worker_pids() == before


def test_the_log_has_the_exception_with_the_requests_id(plain: Replica) -> None:
    plain.post("/score", "fail", x_request_id="the-failing-one")
    lines = [line for line in plain.log_lines() if line.get("request_id") == "the-failing-one"]
    assert any("the script's secret detail" in line.get("traceback", "") for line in lines)


def test_verbose_errors_tell_the_caller(start: Any) -> None:
    replica = start("plain", verbose_errors=True)
    status, message = refusal(replica.post("/score", "fail"))
    assert status == 500
    assert message == f"{UNEXPECTED} ValueError: the script's secret detail"


def test_a_run_that_takes_too_long_is_a_500(start: Any) -> None:
    replica = start("plain", scoring_timeout_ms=300)
    began = time.monotonic()
    answer = replica.post("/score", "sleep")
    assert refusal(answer) == (500, "Scoring timeout after 300 ms")
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert time.monotonic() - began < 5


def test_a_body_that_is_no_text_is_a_400(plain: Replica) -> None:
    status, message = refusal(plain.post("/score", b"\xff\xfe"))
    assert status == 400
    assert message.startswith("Input cannot be decoded as UTF-8: 'utf-8' codec can't decode")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{bad", "POST body could not be decoded as JSON: Expecting property name"),
        (b'{"num": "\xff"}', "POST body could not be decoded as JSON: 'utf-8' codec"),
        ("[" * 100_000, "POST body could not be decoded as JSON: it is nested too deeply"),
        ("", "POST body is empty. Expecting a JSON dictionary."),
        ("[1]", "POST body should be a JSON dictionary."),
        ("null", "POST body should be a JSON dictionary."),
        ("{}", "A value is not provided for the 'num' parameter."),
        ('{"num": [[1]]}', "A value is not provided for the 'frame' parameter."),
    ],
)
def test_what_a_schema_script_refuses_in_v1s_words(
    schema: Replica, body: Any, message: str
) -> None:
    answer = schema.post("/score", body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message)
    assert answer.headers["x-ms-run-function-failed"] == "False"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"other": 1}, "There is no parameter 'other'; there are: num, frame, scale."),
        ({"num": "abc"}, "The input does not match run()'s schema"),
        ({"frame": [{"a": "no number", "b": "x"}]}, "The input does not match run()'s schema"),
        ({"frame": 3}, "The input does not match run()'s schema"),
    ],
)
def test_wrong_values_are_a_400_where_v1_said_500(
    schema: Replica, change: dict[str, Any], named: str
) -> None:
    answer = schema.post("/score", {**INPUT, **change})
    assert answer.status_code == 400
    assert named in answer.json()["message"]


def test_an_exception_of_a_schema_scripts_own_code_is_a_500(schema: Replica) -> None:
    answer = schema.post("/score", {**INPUT, "num": [[1001, 2]]})
    assert refusal(answer) == (500, UNEXPECTED)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_a_schema_script_asks_for_json(schema: Replica, kind: str) -> None:
    answer = schema.post("/score", INPUT, content_type=kind)
    assert refusal(answer) == (415, "Expects Content-Type to be application/json")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.x+json"])
def test_kinds_of_json_are_json(schema: Replica, kind: str) -> None:
    assert schema.post("/score", INPUT, content_type=kind).json() == [4.0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("x-request-id", "x-request-id must not exceed 100 characters"),
        (
            "x-ms-request-id",
            "x-ms-request-id and x-ms-client-request-id must not exceed 100 characters",
        ),
        (
            "x-ms-client-request-id",
            "x-ms-request-id and x-ms-client-request-id must not exceed 100 characters",
        ),
    ],
)
def test_ids_above_100_characters_are_a_431(plain: Replica, header: str, message: str) -> None:
    assert refusal(plain.post("/score", "x", **{header: "i" * 101})) == (431, message)
    assert plain.post("/score", "x", **{header: "i" * 100}).status_code == 200


@pytest.mark.parametrize("code", [201, 333, 404, 444, 500, 502, 555, 599])
def test_a_raw_script_chooses_its_status(raw: Replica, code: int) -> None:
    answer = raw.post(f"/score?do=status&code={code}", "")
    assert (answer.status_code, answer.text) == (code, "told")
    assert answer.headers["x-ms-run-function-failed"] == str(code >= 500)


@pytest.mark.parametrize("code", [0, 99, 100, 600, 1000])
def test_a_status_that_ends_no_request_is_the_scripts_failure(raw: Replica, code: int) -> None:
    answer = raw.post(f"/score?do=status&code={code}", "")
    assert refusal(answer) == (500, UNEXPECTED)


def test_a_status_without_a_body_has_none(raw: Replica) -> None:
    answer = raw.post("/score?do=status&code=204", "")
    assert (answer.status_code, answer.content) == (204, b"")


def test_without_a_key_it_is_a_401_and_above_the_limit_a_413(plain: Replica) -> None:
    assert plain.post("/score", "x", key=None).status_code == 401
    assert plain.post("/score", "x" * 2_000_001).status_code == 413


def test_overload_is_a_503_that_says_when_to_come_again(start: Any) -> None:
    limits = {"max_concurrent": 1, "max_queue_wait_ms": 50, "scoring_timeout_ms": 1500}
    replica = start("plain", **limits)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: replica.post("/score", "sleep"), range(2)))
    assert sorted(answer.status_code for answer in answers) == [500, 503]
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert "overloaded" in refused.json()["message"]
    assert int(refused.headers["retry-after"]) >= 1


def test_before_init_has_returned_only_the_root_is_well(tmp_path: Path, model_folder: Path) -> None:
    (tmp_path / "score.py").write_text(
        "import pathlib, time\n"
        "def init():\n    while not pathlib.Path('go').exists():\n        time.sleep(0.02)\n"
        "def run(x):\n    return x\n"
    )
    about = {"loader": "script", "source_dir": str(tmp_path), "entry_script": "score.py"}
    replica = Replica(tmp_path / "replica", model_folder, max_queue_wait_ms=50, **about)
    try:
        replica.start()
        wait_until(lambda: healthy(replica), "the worker answers")
        assert replica.get("/health").status_code == 503
        for answer in (replica.post("/score", "x"), replica.get("/swagger.json")):
            assert refusal(answer) == (503, "The model is still loading; try again.")
            assert int(answer.headers["retry-after"]) >= 1
        (tmp_path / "go").touch()
        wait_until(lambda: replica.get("/health").status_code == 200, "init() returns")
        assert replica.post("/score", "x").json() == "x"
    finally:
        replica.stop()


def healthy(replica: Replica) -> bool:
    try:
        return replica.record().get("port", 0) > 0 and replica.get("/").text == "Healthy"
    except (requests.ConnectionError, KeyError):
        return False


def test_health_answers_while_run_sleeps(start: Any) -> None:
    replica = start("plain", scoring_timeout_ms=1500)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(replica.post, "/score", "sleep")
        while not slow.done():
            began = time.monotonic()
            assert requests.get(replica.url + "/", timeout=5).text == "Healthy"
            assert time.monotonic() - began < 1
            time.sleep(0.05)


def test_a_key_never_reaches_the_script(plain: Replica) -> None:
    told = plain.post("/score", "x").json()["headers"]
    assert "Authorization" not in told
    assert KEY not in str(told)
