"""Every dialect is scored as MLflow itself scores it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.serving.replica import Replica


@pytest.fixture(scope="module")
def rows(diabetes_model: Path) -> dict[str, Any]:
    """The input example as {"columns", "data"}."""
    body = json.loads((diabetes_model / "serving_input_example.json").read_text())
    split: dict[str, Any] = body["dataframe_split"]
    return split


@pytest.fixture(scope="module")
def mlflow_answer(diabetes_model: Path) -> Any:
    """What MLflow's own scoring server answers, as text."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    model = mlflow.pyfunc.load_model(str(diabetes_model))

    def answer(body: str, content_type: str = "application/json") -> str:
        schema = model.metadata.get_input_schema()
        return str(scoring_server.invocations(body, content_type, model, schema).response)

    return answer


def records(rows: dict[str, Any]) -> list[dict[str, float]]:
    return [dict(zip(rows["columns"], row, strict=True)) for row in rows["data"]]


def by_column(rows: dict[str, Any]) -> dict[str, list[float]]:
    return {
        name: [row[place] for row in rows["data"]] for place, name in enumerate(rows["columns"])
    }


MLFLOW_FORMS = {
    "dataframe_split": lambda rows: rows,
    "dataframe_records": records,
    "instances": records,
    "inputs": by_column,
}


@pytest.mark.parametrize("path", ["/score", "/invocations"])
@pytest.mark.parametrize("form", MLFLOW_FORMS)
def test_mlflow_payloads_get_mlflows_very_answer(
    diabetes: Replica, rows: dict[str, Any], mlflow_answer: Any, form: str, path: str
) -> None:
    body = json.dumps({form: MLFLOW_FORMS[form](rows)})

    answer = diabetes.post(path, body)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == json.loads(mlflow_answer(body))


def test_csv_gets_mlflows_very_answer(
    diabetes: Replica, rows: dict[str, Any], mlflow_answer: Any
) -> None:
    lines = [rows["columns"], *rows["data"]]
    body = "\n".join(",".join(map(str, line)) for line in lines)

    answer = diabetes.post("/invocations", body, content_type="text/csv")

    assert answer.json() == json.loads(mlflow_answer(body, "text/csv"))


def test_parquet_gets_the_same_predictions(
    diabetes: Replica, rows: dict[str, Any], mlflow_answer: Any
) -> None:
    import io

    import pandas

    buffer = io.BytesIO()
    pandas.DataFrame(rows["data"], columns=rows["columns"]).to_parquet(buffer)

    answer = diabetes.post(
        "/invocations", buffer.getvalue(), content_type="application/vnd.apache.parquet"
    )

    assert answer.json() == json.loads(mlflow_answer(json.dumps({"dataframe_split": rows})))


AZURE_FORMS = {
    "list of rows": lambda rows: {"data": rows["data"]},
    "records": lambda rows: {"data": records(rows)},
    "split": lambda rows: {"data": rows},
    "by column": lambda rows: {"data": by_column(rows)},
    "split at the top": lambda rows: rows,
    "managed endpoint": lambda rows: {"input_data": rows},
    "managed endpoint, rows": lambda rows: {"input_data": rows["data"]},
}


@pytest.mark.parametrize("form", AZURE_FORMS)
def test_azure_payloads_get_the_bare_result(
    diabetes: Replica, rows: dict[str, Any], mlflow_answer: Any, form: str
) -> None:
    expected = json.loads(mlflow_answer(json.dumps({"dataframe_split": rows})))["predictions"]

    answer = diabetes.post("/score", AZURE_FORMS[form](rows))

    assert answer.status_code == 200, answer.text
    assert answer.json() == expected


def test_invocations_wraps_the_result_of_an_azure_payload_too(
    diabetes: Replica, rows: dict[str, Any]
) -> None:
    answer = diabetes.post("/invocations", {"data": rows["data"]})

    assert list(answer.json()) == ["predictions"]


def test_one_row_may_stand_without_its_list(diabetes: Replica, rows: dict[str, Any]) -> None:
    alone = diabetes.post("/score", {"data": rows["data"][0]})

    assert alone.json() == diabetes.post("/score", {"data": rows["data"]}).json()[:1]


def test_a_body_without_content_type_is_json(diabetes: Replica, rows: dict[str, Any]) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", diabetes.record()["port"], timeout=30)
    connection.request(
        "POST",
        "/score",
        body=json.dumps({"data": rows["data"]}).encode(),
        headers={"Authorization": "Bearer the-primary-key"},
    )

    assert connection.getresponse().status == 200
    connection.close()


def test_a_model_may_answer_several_requests_at_once(
    diabetes: Replica, rows: dict[str, Any]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        bodies = [{"data": [row]} for row in rows["data"]] * 16
        answers = list(pool.map(lambda body: diabetes.post("/score", body), bodies))

    assert {answer.status_code for answer in answers} == {200}
    alone = [diabetes.post("/score", {"data": [row]}).json() for row in rows["data"]]
    assert [answer.json() for answer in answers] == alone * 16
