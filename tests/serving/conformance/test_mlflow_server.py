"""MLflow's own scoring server (`mlflow models serve`): the same requests to it and to ours.

Timeouts and queues, which it hardly has, are in tests/serving/test_requests.py.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.serving.replica import KEY, Replica

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")  # starlette's test client

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


class Told(NamedTuple):
    status: int
    body: bytes


@pytest.fixture(scope="module")
def mlflow_server(diabetes_model: Path) -> Callable[..., Told]:
    """Ask MLflow's application, which runs in this process."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server
    from starlette.testclient import TestClient

    app = scoring_server.init(mlflow.pyfunc.load_model(str(diabetes_model)))
    client = TestClient(app, raise_server_exceptions=False)

    def ask(method: str, path: str, body: Any = None, kind: str | None = JSON) -> Told:
        headers = {} if kind is None else {"content-type": kind}
        answer = client.request(method, path, content=body, headers=headers)
        return Told(answer.status_code, answer.content)

    return ask


@pytest.fixture(scope="module")
def ours(diabetes: Replica) -> Callable[..., Told]:
    """Ask our process."""

    def ask(method: str, path: str, body: Any = None, kind: str | None = JSON) -> Told:
        headers = {"authorization": f"Bearer {KEY}"}
        if kind is not None:
            headers["content-type"] = kind
        answer = requests.request(
            method, diabetes.url + path, data=body, headers=headers, timeout=60
        )
        return Told(answer.status_code, answer.content)

    return ask


@pytest.fixture(scope="module")
def bodies(diabetes_model: Path) -> dict[str, Any]:
    """Bodies by name, from the model's own example."""
    example = json.loads((diabetes_model / "serving_input_example.json").read_text())
    split = example["dataframe_split"]
    columns, rows = split["columns"], split["data"]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    by_column = {name: [row[place] for row in rows] for place, name in enumerate(columns)}
    made: dict[str, Any] = {
        "split": {"dataframe_split": split},
        "records": {"dataframe_records": records},
        "instances": {"instances": records},
        "inputs": {"inputs": by_column},
        "no params": {"dataframe_split": split, "params": None},
        "two forms": {"dataframe_split": split, "instances": records},
        "unknown key": {"other": 1},
        "empty object": {},
        "missing column": {"dataframe_split": {"columns": columns[1:], "data": [[0.0] * 9]}},
        "text for a number": {"dataframe_records": [{**records[0], columns[0]: "x"}]},
        "split of a number": {"dataframe_split": 3},
        "chat": {"messages": [{"role": "user", "content": "x"}]},
        "list": [1, 2],
    }
    return {name: json.dumps(body) for name, body in made.items()}


def frame_as(kind: str, bodies: dict[str, Any]) -> bytes:
    import pandas as pd

    frame = pd.DataFrame(json.loads(bodies["records"])["dataframe_records"])
    if kind == CSV:
        return frame.to_csv(index=False).encode()
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def same(found: Told, expected: Told) -> None:
    """Equal status and JSON, each float to its last bit; white space is nobody's business."""
    assert found.status == expected.status
    assert json.loads(found.body) == json.loads(expected.body)


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_its_small_routes_answer_the_same(mlflow_server: Any, ours: Any, path: str) -> None:
    assert ours("GET", path) == mlflow_server("GET", path)


@pytest.mark.parametrize("name", ["split", "records", "instances", "inputs", "no params"])
def test_what_it_scores_is_scored_the_same(
    mlflow_server: Any, ours: Any, bodies: dict[str, Any], name: str
) -> None:
    expected = mlflow_server("POST", "/invocations", bodies[name])
    assert expected.status == 200
    same(ours("POST", "/invocations", bodies[name]), expected)


@pytest.mark.parametrize("kind", [CSV, PARQUET, f"{CSV}; charset=utf-8"])
def test_tables_of_other_types_are_scored_the_same(
    mlflow_server: Any, ours: Any, bodies: dict[str, Any], kind: str
) -> None:
    body = frame_as(kind.partition(";")[0], bodies)
    expected = mlflow_server("POST", "/invocations", body, kind)
    assert expected.status == 200
    same(ours("POST", "/invocations", body, kind), expected)


REFUSED = [
    "two forms",
    "unknown key",
    "empty object",
    "missing column",
    "text for a number",
    "split of a number",
    "chat",
    "list",
]


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_refuses_is_refused_in_its_shape(
    mlflow_server: Any, ours: Any, bodies: dict[str, Any], name: str
) -> None:
    expected = mlflow_server("POST", "/invocations", bodies[name])
    found = ours("POST", "/invocations", bodies[name])
    assert found.status == expected.status == 400
    assert {"error_code", "message"} <= set(json.loads(expected.body))
    assert set(json.loads(found.body)) == {"error_code", "message"}


@pytest.mark.parametrize(
    ("body", "kind"), [("{bad", JSON), ("", JSON), ("a,b\n1,2\n", CSV), ("no parquet", PARQUET)]
)
def test_bodies_that_are_not_what_they_say_are_a_400(
    mlflow_server: Any, ours: Any, body: str, kind: str
) -> None:
    expected = mlflow_server("POST", "/invocations", body, kind)
    found = ours("POST", "/invocations", body, kind)
    assert found.status == expected.status == 400
    assert set(json.loads(found.body)) == {"error_code", "message"}


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-16"])
def test_other_types_and_charsets_are_a_415(
    mlflow_server: Any, ours: Any, bodies: dict[str, Any], kind: str
) -> None:
    assert mlflow_server("POST", "/invocations", bodies["split"], kind).status == 415
    found = ours("POST", "/invocations", bodies["split"], kind)
    assert found.status == 415
    assert set(json.loads(found.body)) == {"error_code", "message"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/invocations"), ("POST", "/ping"), ("GET", "/nothing")]
)
def test_other_routes_have_its_status(
    mlflow_server: Any, ours: Any, method: str, path: str
) -> None:
    assert ours(method, path).status == mlflow_server(method, path).status


def test_where_ours_is_friendlier(mlflow_server: Any, ours: Any, bodies: dict[str, Any]) -> None:
    """No content type was its 500; the bodies of 2020 and of Azure's services it refuses."""
    expected = json.loads(mlflow_server("POST", "/invocations", bodies["split"]).body)
    assert mlflow_server("POST", "/invocations", bodies["split"], None).status == 500
    assert json.loads(ours("POST", "/invocations", bodies["split"], None).body) == expected
    split = json.loads(bodies["split"])["dataframe_split"]
    for body in (split, {"input_data": split}, {"data": split["data"]}):
        text = json.dumps(body)
        assert mlflow_server("POST", "/invocations", text).status == 400
        assert json.loads(ours("POST", "/invocations", text).body) == expected
        assert json.loads(ours("POST", "/score", text).body) == expected["predictions"]
