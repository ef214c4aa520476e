"""What run() returns, as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.replica import Replica


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("none", "{}"),
        ("text", '"\\u00e9"'),
        ("list", "[1, 2.5, null, true]"),
        ("array", "[[1.5, 2.0], [3.0, 4.0]]"),
        ("scalar", "1.5"),
        ("nan", "[1.0, null, null]"),
        ("nested", '{"a": 3, "b": [0, 1, 2], "c": [1], "4": "d"}'),
        ("frame", '[{"a": 1, "b": "x", "c": 0.1}, {"a": 2, "b": null, "c": null}]'),
        ("series", "[1, 2]"),
        ("times", '["2020-01-02T03:04:05", "2020-01-02T00:00:00", "2020-01-02"]'),
    ],
)
def test_results_of_every_kind_are_json(plain: Replica, body: str, expected: str) -> None:
    answer = plain.post("/score", body)
    assert answer.text == expected
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [4.0]),
        ({"scale": 10.0}, [31.0]),
        ({"scale": None}, [4.0]),
        ({"num": [[1, 2], [3, 4]], "frame": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}, [4.0, 9.0]),
    ],
)
def test_a_schema_script_gets_its_types_and_gives_arrays(
    schema: Replica, change: dict[str, Any], expected: list[float]
) -> None:
    body = {"num": [[1, 2]], "frame": [{"a": 1, "b": "x"}], **change}
    answer = schema.post("/score", body)
    assert answer.json() == expected


def test_a_schema_script_scores_a_query(schema: Replica) -> None:
    answer = schema.get('/score?num=[[1,2]]&frame=[{"a":1,"b":"x"}]')
    assert answer.json() == [4.0]


def test_the_shape_of_power_bi(powerbi: Replica) -> None:
    body = {"Inputs": {"data": [{"a": 1.0, "b": 2.0}]}, "GlobalParameters": 2.0}
    assert powerbi.post("/score", body).json() == {"Results": [6.0]}
