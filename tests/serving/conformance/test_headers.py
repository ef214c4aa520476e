"""Section 2.3 of the v1 contract: headers in and out, body limit, streams."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests

from tests.serving.replica import KEY, Replica, wait_until

AUTH = {"authorization": f"Bearer {KEY}"}


def test_every_answer_has_an_id_and_the_time_of_run(plain: Replica) -> None:
    headers = plain.post("/score", "x").headers
    assert uuid.UUID(headers["x-request-id"])
    assert headers["x-ms-request-id"] == headers["x-request-id"]
    assert "x-ms-client-request-id" not in headers
    assert headers["x-ms-run-function-failed"] == "False"
    whole, _, decimals = headers["x-ms-run-fn-exec-ms"].partition(".")
    assert whole.isdigit()
    assert len(decimals) == 3
    assert headers["x-ms-server-version"].startswith("slipway/")


@pytest.mark.parametrize(
    ("given", "legacy", "client"),
    [
        ({"x-ms-client-request-id": "cli"}, "cli", "cli"),
        ({"x-ms-request-id": "leg"}, "leg", "leg"),
        ({"x-ms-request-id": "leg", "x-ms-client-request-id": "cli"}, "leg", "cli"),
        ({"x-request-id": "own"}, "own", None),
    ],
)
def test_ids_given_come_back(
    plain: Replica, given: dict[str, str], legacy: str, client: str | None
) -> None:
    headers = plain.post("/score", "x", **given).headers
    assert headers["x-ms-request-id"] == legacy
    assert headers.get("x-ms-client-request-id") == client
    if "x-request-id" in given:
        assert headers["x-request-id"] == given["x-request-id"]


def test_a_trace_id_is_echoed(plain: Replica) -> None:
    assert plain.post("/score", "x", TraceId="abc").headers["TraceId"] == "abc"
    assert "TraceId" not in plain.post("/score", "x").headers


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/score")])
def test_refused_routes_carry_ids_too(plain: Replica, method: str, path: str) -> None:
    """v1 left the ids out here, so that such a request could not be found in the log."""
    answer = requests.request(method, plain.url + path, headers=AUTH, timeout=30)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-ms-request-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-ms-run-function-failed"] == "False"


def test_failures_carry_ids(plain: Replica) -> None:
    headers = plain.post("/score", "fail", x_ms_client_request_id="cli").headers
    assert headers["x-ms-request-id"] == "cli"


def test_a_script_cannot_overwrite_ids_or_lengths(raw: Replica) -> None:
    answer = raw.post("/score?do=ids", "", x_request_id="given")
    assert answer.text == "told"
    assert answer.headers["x-request-id"] == "given"
    assert answer.headers["x-ms-request-id"] == "given"
    assert answer.headers["content-length"] == "4"


def test_request_headers_are_a_dict_as_flask_names_them(plain: Replica) -> None:
    told = plain.post("/score", "x", x_custom="1")
    assert told.json()["headers"]["X-Custom"] == "1"
    assert told.json()["headers"]["Content-Type"] == "application/json"


def test_a_comma_in_a_header_makes_several(raw: Replica) -> None:
    answer = raw.post("/score?do=text", "")
    assert answer.status_code == 201
    assert answer.raw.headers.getlist("x-many") == ["1", "2"]
    assert answer.raw.headers.getlist("x-one") == ["z"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_script_sets_its_content_type_once(raw: Replica) -> None:
    """v1 sent two Content-Type headers."""
    answer = raw.post("/score?do=binary", "")
    assert answer.content == b"\x00\x01"
    assert answer.raw.headers.getlist("content-type") == ["image/png"]


def test_headers_can_be_set_after_the_answer_is_made(raw: Replica) -> None:
    answer = raw.post("/score?do=cors", "")
    assert answer.headers["access-control-allow-origin"] == "http://example.com"


def test_a_header_cannot_smuggle_another(raw: Replica) -> None:
    answer = raw.post("/score?do=split", "")
    assert answer.status_code == 500
    assert "x-injected" not in answer.headers


def test_a_script_can_say_that_run_failed(raw: Replica) -> None:
    answer = raw.post("/score?do=failed", "")
    assert (answer.status_code, answer.text) == (200, "no")
    assert answer.headers["x-ms-run-function-failed"] == "True"


def test_a_stream_arrives_in_pieces(raw: Replica) -> None:
    answer = raw.post("/score?do=stream", "")
    assert answer.text == "one,two,three"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "x-ms-run-fn-exec-ms" in answer.headers


def test_an_undecorated_run_may_yield(plain: Replica) -> None:
    answer = plain.post("/score", "stream")
    assert (answer.text, answer.headers["content-type"]) == ("abé", "text/plain; charset=utf-8")
    answer = plain.post("/score", "events")
    assert answer.text == '{"n": 1}\n{"n": 2}\n'
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert plain.post("/score", "empty stream").content == b""


def test_a_stream_that_breaks_is_cut_off_and_not_ended(raw: Replica) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        raw.post("/score?do=breaks", "")
    assert raw.post("/score?do=bare", "").json() == {"plain": True}


def test_a_client_that_leaves_ends_the_stream(raw: Replica) -> None:
    before = raw.post("/score?do=closed", "").json()
    url = raw.url + "/score?do=endless"
    with requests.post(url, headers=AUTH, stream=True, timeout=30) as answer:
        assert next(answer.iter_content(1000))
    wait_until(lambda: raw.post("/score?do=closed", "").json() == before + 1, "closed", 20)


def test_a_stream_that_outlives_the_scoring_timeout_is_cut_off(raw: Replica) -> None:
    url = raw.url + "/score?do=endless"
    cut = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
    with requests.post(url, headers=AUTH, stream=True, timeout=30) as answer, pytest.raises(cut):
        for _ in answer.iter_content(65536):
            pass
    assert raw.post("/score?do=bare", "").status_code == 200


def test_large_bodies_arrive_whole(plain: Replica) -> None:
    text = "x" * 1_900_000
    assert plain.post("/score", text).json()["got"] == text


def raw_post(replica: Replica, path: str, **more: Any) -> requests.Response:
    return requests.post(replica.url + path, headers=AUTH, timeout=30, **more)


def test_a_raw_script_gets_flasks_request(raw: Replica) -> None:
    told = raw_post(raw, "/score?a=1&a=2&b=x", json={"q": 1}).json()
    assert told["method"] == "POST"
    assert told["path"] == "/score"
    assert told["url"] == raw.url + "/score?a=1&a=2&b=x"
    assert told["args"] == {"a": ["1", "2"], "b": ["x"]}
    assert told["json"] == {"q": 1}
    assert told["type"] == "application/json"
    assert told["is_request"] is True
    assert "Authorization" not in told["names"]


def test_a_raw_script_gets_form_and_files(raw: Replica) -> None:
    told = raw_post(
        raw,
        "/score",
        data={"title": "é"},
        files={"image": ("name é.png", b"\x89PNG\r\n\x1a\n--x", "image/png")},
    ).json()
    assert told["form"] == {"title": "é"}
    file = told["files"]["image"]
    assert file == {
        "filename": "name é.png",
        "type": "image/png",
        "bytes": list(b"\x89PNG\r\n\x1a\n"),
    }
    assert raw_post(raw, "/score", data={"a": "1", "b": "2 3"}).json()["form"] == {
        "a": "1",
        "b": "2 3",
    }


def test_a_broken_form_is_a_400(raw: Replica) -> None:
    answer = raw.post("/score", "no parts", content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
    assert "multipart/form-data" in answer.json()["message"]


def test_what_get_json_refuses_is_a_400(raw: Replica) -> None:
    assert raw.post("/score?do=needs_json", "{bad").status_code == 400
    assert raw.post("/score?do=needs_json", "{}", content_type="text/plain").status_code == 415


def test_responses_of_flask_are_understood(raw: Replica) -> None:
    answer = raw.post("/score?do=flasks", "")
    assert (answer.status_code, answer.text) == (444, "flask's")
    assert answer.headers["content-type"] == "text/x-mine; charset=utf-8"
    assert answer.headers["x-own"] == "1"
    assert answer.cookies["seen"] == "yes"
    streamed = raw.post("/score?do=flask_stream", "")
    assert streamed.text == "ab"
    assert streamed.headers["content-type"].startswith("text/event-stream")


def test_none_and_documents_are_json(raw: Replica) -> None:
    assert raw.post("/score?do=none", "").text == "{}"
    assert raw.post("/score?do=as_json", "").text == '"text"'
    assert raw.post("/score?do=document", "").json() == {"a": 1}
    assert raw.post("/score?do=bare", "").json() == {"plain": True}
