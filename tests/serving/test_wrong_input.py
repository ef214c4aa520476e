"""Wrong input is a 4xx that says what is wrong, and the service goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.replica import Replica

NAMES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
GOOD = [0.1] * 10


def split(columns: Any = NAMES, data: Any = None, **more: Any) -> str:
    data = [GOOD] if data is None else data
    return json.dumps({"dataframe_split": {"columns": columns, "data": data, **more}})


WRONG = {
    "empty": ("", "The body is empty"),
    "blank": ("  \n", "The body is empty"),
    "no JSON": ("{nope", "could not be decoded as JSON"),
    "not UTF-8": (b'{"data": "\xff"}', "cannot be decoded as UTF-8"),
    "a list": ("[1]", "must be a JSON object"),
    "a number": ("1", "must be a JSON object"),
    "NaN": ('{"data": [NaN]}', "NaN is not JSON"),
    "Infinity": ('{"data": [-Infinity]}', "-Infinity is not JSON"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deep inside": ('{"data":' + "[" * 900 + "]" * 900 + "}", "values, but there are 10 columns"),
    "huge integer": ('{"data": [[' + "9" * 5000 + "]]}", "could not be decoded as JSON"),
    "unknown key": ('{"rows": []}', "unknown key 'rows'"),
    "no key": ("{}", "the object is empty"),
    "two forms": ('{"inputs": 1, "instances": 1}', "only one of 'inputs' and 'instances'"),
    "missing column": (split(NAMES[:-1], [GOOD[:-1]]), "Missing column 's6'"),
    "misspelt column": (split([*NAMES[:-1], "s7"]), "unknown column 's7'"),
    "unknown key in split": (split(rows=[]), "Unknown key 'rows'"),
    "row too short": (split(data=[GOOD, GOOD[:3]]), "Row 1 has 3 values"),
    "row no list": (split(data=[GOOD, 3]), "Row 1 of 'data' must be a list"),
    "text in a double": (
        split(data=[["abc", *GOOD[1:]]]),
        "Wrong type for column 'age' (row 0): expected double, got a string 'abc'",
    ),
    "object in a double": (split(data=[[{}, *GOOD[1:]]]), "column 'age' (row 0): expected double"),
    "no value": (split(data=[[*GOOD[:-1], None]]), "Missing value in column 's6' (row 0)"),
    "beyond double": (
        split(data=[[*GOOD[:-1], 0.5]]).replace("0.5]", "1e999]"),
        "Number too large in column 's6'",
    ),
    "no rows": (split(data=[]), "holds no rows"),
    "split no object": ('{"dataframe_split": 3}', "'dataframe_split' must be an object"),
    "records without names": ('{"dataframe_records": [3]}', "has no column names"),
    "one record no object": ('{"dataframe_records": [{"age": 1}, 3]}', "Row 1 must be an object"),
    "instances without names": ('{"instances": [[1]]}', "the model takes named columns: 'age'"),
    "uneven columns": (
        json.dumps({"inputs": {**{name: [1.0] for name in NAMES}, "bmi": [1.0, 2.0]}}),
        "Columns differ in length",
    ),
    "params no object": (
        json.dumps({"data": [GOOD], "params": 3}),
        "'params' must be a JSON object",
    ),
    "azure row too short": ('{"data": [[1, 2]]}', "Row 0 has 2 values"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_a_400_that_names_it(diabetes: Replica, name: str) -> None:
    body, says = WRONG[name]

    answer = diabetes.post("/score", body)

    assert answer.status_code == 400, answer.text
    assert says in answer.json()["message"]


@pytest.mark.parametrize("name", WRONG)
def test_invocations_answers_in_mlflows_shape(diabetes: Replica, name: str) -> None:
    answer = diabetes.post("/invocations", WRONG[name][0])

    assert answer.status_code == 400
    assert set(answer.json()) == {"error_code", "message"}
    assert answer.json()["error_code"] == "BAD_REQUEST"


def test_score_answers_an_azure_payload_with_the_message_alone(diabetes: Replica) -> None:
    assert set(diabetes.post("/score", {"data": [[1]]}).json()) == {"message"}


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"content_type": "application/x-www-form-urlencoded"}, "send application/json"),
        ({"content_type": "application/json; charset=latin-1"}, "Only UTF-8"),
        ({"content_encoding": "gzip"}, "Content-Encoding 'gzip'"),
    ],
)
def test_a_form_that_is_not_read_is_a_415(
    diabetes: Replica, headers: dict[str, str], says: str
) -> None:
    answer = diabetes.post("/score", {"data": [GOOD]}, **headers)

    assert answer.status_code == 415
    assert says in answer.json()["message"]


@pytest.mark.parametrize("content_type", ["text/csv", "application/vnd.apache.parquet"])
@pytest.mark.parametrize("body", [b"", b"\xff\x00", b'a,b\n"1,2', b"age\nabc\n", b"PAR1PAR1"])
def test_broken_tables_are_400(diabetes: Replica, content_type: str, body: bytes) -> None:
    answer = diabetes.post("/invocations", body, content_type=content_type)

    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/score", 405), ("POST", "/health", 405), ("GET", "/nothing", 404)],
)
def test_unknown_paths_and_methods_say_so_in_json(
    diabetes: Replica, method: str, path: str, status: int
) -> None:
    import requests

    headers = {"authorization": "Bearer the-primary-key"}
    answer = requests.request(method, diabetes.url + path, headers=headers, timeout=30)

    assert answer.status_code == status
    assert answer.json()["message"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*NAMES, "columns", "data", "index", "x"]), inner)
    ),
    max_leaves=20,
)
FORMS = ["dataframe_split", "dataframe_records", "instances", "inputs", "data", "input_data"]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(key=st.sampled_from([*FORMS, "input", "params", "x"]), value=JSON_VALUES, more=JSON_VALUES)
def test_no_json_whatever_makes_a_500(diabetes: Replica, key: str, value: Any, more: Any) -> None:
    answer = diabetes.post("/score", {key: value, "params": more})

    assert answer.status_code in (200, 400), answer.text


@settings(max_examples=100, deadline=None)
@given(row=st.lists(JSON_VALUES, min_size=10, max_size=10))
def test_no_cell_whatever_makes_a_500(diabetes: Replica, row: list[Any]) -> None:
    answer = diabetes.post("/score", {"data": [row]})

    assert answer.status_code in (200, 400), answer.text


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=60))
def test_no_bytes_whatever_make_a_500(diabetes: Replica, body: bytes) -> None:
    answer = diabetes.post("/invocations", body)

    assert answer.status_code == 400, answer.text
