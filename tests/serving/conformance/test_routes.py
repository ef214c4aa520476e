"""Section 2.1 of the v1 contract: routes and methods."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.serving.replica import KEY, Replica

AUTH = {"authorization": f"Bearer {KEY}"}
FORM = "application/x-www-form-urlencoded"


def ask(replica: Replica, method: str, path: str, **more: Any) -> requests.Response:
    headers = {**AUTH, **more.pop("headers", {})}
    return requests.request(method, replica.url + path, headers=headers, timeout=30, **more)


@pytest.mark.parametrize("name", ["plain", "raw", "schema"])
def test_the_root_says_healthy_without_a_key(name: str, request: pytest.FixtureRequest) -> None:
    replica: Replica = request.getfixturevalue(name)
    answer = requests.get(replica.url + "/", timeout=30)
    assert (answer.status_code, answer.text) == (200, "Healthy")
    assert answer.headers["content-type"].startswith("text/html")
    assert requests.head(replica.url + "/", timeout=30).status_code == 200


def test_post_gives_run_the_body_as_text(plain: Replica) -> None:
    answer = plain.post("/score", {"data": [1, 2]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["got"] == '{"data": [1, 2]}'
    assert answer.json()["inits"] == 1


def test_many_at_once_get_their_own_answers(plain: Replica, raw: Replica) -> None:
    def ask_one(number: int) -> bool:
        text = f"number {number}"
        if number % 3:
            return bool(plain.post("/score", text).json()["got"] == text)
        told = raw.post(f"/score?n={number}", text).json()
        return bool(told["text"] == text and told["args"]["n"] == [str(number)])

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask_one, range(200)))


def test_parameters_with_defaults_keep_them(plain: Replica) -> None:
    assert plain.post("/score", "x").json()["factor"] == 2


@pytest.mark.parametrize("kind", [FORM, "text/plain", "application/octet-stream", None])
def test_the_body_reaches_run_whatever_its_type(plain: Replica, kind: str | None) -> None:
    """v1 gave run() an empty text for curl's default type; here it is the body."""
    headers = {} if kind is None else {"content-type": kind}
    answer = ask(plain, "POST", "/score", data=b'{"a": 1}', headers=headers)
    assert answer.json()["got"] == '{"a": 1}'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a=1&b=x", {"a": 1, "b": "x"}),
        ("a=1&a=2", {"a": [1, 2]}),
        ("c=[1,2]&d=true&e=", {"c": [1, 2], "d": True, "e": ""}),
        ("f=%7B%22g%22:null%7D", {"f": {"g": None}}),
        ("", {}),
        ("name=%C3%A9", {"name": "é"}),
    ],
)
def test_get_makes_json_of_the_query(plain: Replica, query: str, expected: Any) -> None:
    answer = ask(plain, "GET", f"/score?{query}")
    assert json.loads(answer.json()["got"]) == expected


def test_options_is_answered_with_nothing(plain: Replica, schema: Replica) -> None:
    for replica in (plain, schema):
        answer = ask(replica, "OPTIONS", "/score")
        assert (answer.status_code, answer.content) == (200, b"")


def test_a_raw_script_gets_options_itself(raw: Replica) -> None:
    answer = ask(raw, "OPTIONS", "/score")
    assert answer.text == "allowed"
    assert answer.headers.get("allow") == "GET, POST"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("PUT", "/score", 405),
        ("DELETE", "/score", 405),
        ("POST", "/", 405),
        ("POST", "/swagger.json", 405),
    ],
)
def test_other_paths_and_methods_are_refused_in_json(
    plain: Replica, method: str, path: str, status: int
) -> None:
    answer = ask(plain, method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["message"]


def test_other_routes_need_a_key(plain: Replica) -> None:
    for path in ("/score", "/swagger.json"):
        answer = requests.get(plain.url + path, timeout=30)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
