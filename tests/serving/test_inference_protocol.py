"""The Open Inference Protocol: named tensors in, named tensors out, for every kind of model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.errors import ServingError
from serving.loaders.base import NoCode, Task
from serving.scoring import V2, Answer, ScoreRequest
from tests.serving.library_models import MODELS, table
from tests.serving.mlflow_server import ask, loaded, save_echo

ROW = [0.5, -1.0, 2.0, 0.25]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("v2")


@pytest.fixture(scope="module")
def ridge(root: Path) -> NoCode:
    return loaded(MODELS["ridge"](root / "ridge"), "fast", batch=True)


@pytest.fixture(scope="module")
def tensor(root: Path) -> NoCode:
    return loaded(MODELS["onnx_tensor"](root / "onnx"), "fast")


def infer(model: NoCode, **document: Any) -> dict[str, Any]:
    (outcome,) = model.answer([ScoreRequest(json.dumps(document).encode(), None, V2, "")])
    assert isinstance(outcome, Answer), outcome
    found: dict[str, Any] = json.loads(outcome.body)
    return found


def refusal(model: NoCode, **document: Any) -> str:
    (outcome,) = model.answer([ScoreRequest(json.dumps(document).encode(), None, V2, "")])
    assert isinstance(outcome, ServingError)
    assert outcome.status == 400
    return outcome.message


def given(name: str, shape: list[int], data: Any, datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def expected(model: NoCode, rows: list[list[float]]) -> list[float]:
    split = {"columns": ["a", "b", "c", "d"], "data": rows}
    ((_, answer),) = ask(model, json.dumps({"dataframe_split": split}).encode())
    found: list[float] = answer["predictions"]
    return found


def test_one_tensor_of_rows_serves_a_model_with_columns(ridge: NoCode) -> None:
    rows = [ROW, ROW[::-1]]

    for data in (rows, [*ROW, *ROW[::-1]]):
        answer = infer(ridge, id="q1", inputs=[given("x", [2, 4], data)])
        assert answer == {
            "model_name": "m",
            "model_version": "1",
            "id": "q1",
            "outputs": [
                {
                    "name": "output-0",
                    "shape": [2],
                    "datatype": "FP64",
                    "data": expected(ridge, rows),
                }
            ],
        }


def test_a_tensor_per_column_in_any_order_serves_it_too(ridge: NoCode) -> None:
    named = dict(zip("abcd", ROW, strict=True))
    inputs = [given(name, [1, 1], [named[name]]) for name in "dbca"]

    answer = infer(ridge, inputs=inputs)

    assert answer["outputs"][0]["data"] == expected(ridge, [ROW])
    assert "id" not in answer


def test_requests_scored_together_keep_their_ids(ridge: NoCode) -> None:
    asked = [
        json.dumps({"id": str(n), "inputs": [given("x", [1, 4], [ROW])]}).encode() for n in range(5)
    ]

    outcomes = ridge.answer([ScoreRequest(body, None, V2, "") for body in asked])

    answers = [json.loads(o.body) for o in outcomes if isinstance(o, Answer)]
    assert [answer["id"] for answer in answers] == ["0", "1", "2", "3", "4"]


def test_a_model_with_tensors_answers_its_own_outputs(tensor: NoCode) -> None:
    cells = table()[0].to_numpy()[:2].tolist()

    answer = infer(tensor, inputs=[given("anything", [2, 4], cells, "FP32")])

    (output,) = answer["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("variable", [2, 1], "FP32")


def test_only_the_outputs_asked_for_are_answered(tensor: NoCode) -> None:
    inputs = [given("x", [1, 4], ROW, "FP32")]

    assert infer(tensor, inputs=inputs, outputs=[{"name": "variable"}])["outputs"]
    says = refusal(tensor, inputs=inputs, outputs=[{"name": "nope"}])
    assert "no output 'nope'" in says


def test_texts_and_missing_numbers_go_in_and_come_out(tmp_path: Path) -> None:
    columns = [
        {"type": "string", "name": "city", "required": True},
        {"type": "double", "name": "age", "required": True},
        {"type": "long", "name": "count", "required": True},
        {"type": "boolean", "name": "good", "required": True},
    ]
    echo = loaded(save_echo(tmp_path / "echo", columns), "fast")
    inputs = [
        given("city", [2], ["Köln", ""], "BYTES"),
        given("age", [2], [1.5, None]),
        given("count", [2], [1, 2], "INT64"),
        given("good", [2], [True, False], "BOOL"),
    ]

    answer = infer(echo, inputs=inputs)

    shown = {o["name"]: (o["datatype"], o["data"]) for o in answer["outputs"]}
    assert shown == {
        "city": ("BYTES", ["Köln", ""]),
        "age": ("FP64", [1.5, None]),
        "count": ("INT64", [1, 2]),
        "good": ("BOOL", [True, False]),
    }


WRONG: dict[str, tuple[Any, str]] = {
    "no inputs": ({}, "'inputs' must be a list"),
    "empty": ({"inputs": []}, "'inputs' must be a list"),
    "no object": ({"inputs": [3]}, "Input 0 must be an object"),
    "shape": ({"inputs": [given("x", [1, "4"], ROW)]}, "Input 'x': 'shape' must be"),  # type: ignore[list-item]
    "count": ({"inputs": [given("x", [2, 4], ROW)]}, "means 8 values; 'data' has 4"),
    "datatype": ({"inputs": [given("x", [1, 4], ROW, "FP128")]}, "'datatype' must be one of"),
    "datatype as a list": (
        {"inputs": [{**given("x", [1, 4], ROW), "datatype": []}]},
        "'datatype' must be one of",
    ),
    "sides": ({"inputs": [given("x", [1] * 65 + [4], ROW)]}, "not have more than 32 sides"),
    "value": ({"inputs": [given("x", [1, 4], [0.5, "x", 1, 2])]}, "value 1 of 'data' is no FP64"),
    "range": ({"inputs": [given("a", [1], [300], "UINT8")]}, "value 0 of 'data' is no UINT8"),
    "width": ({"inputs": [given("x", [2, 2], ROW)]}, "has 2 columns; the model takes 4"),
    "missing": ({"inputs": [given("a", [1], [1.0])]}, "Missing columns 'b', 'c', 'd'"),
    "twice": ({"inputs": [given("a", [1], [1.0])] * 2}, "Two inputs have one name"),
    "binary": ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, "'data' must be"),
    "no rows": ({"inputs": [given("x", [0, 4], [])]}, "holds no values"),
    "parameters": ({"inputs": [given("x", [1, 4], ROW)], "parameters": 3}, "'parameters' must"),
    "id": ({"inputs": [given("x", [1, 4], ROW)], "id": 3}, "'id' must be a text"),
    "outputs": ({"inputs": [given("x", [1, 4], ROW)], "outputs": 3}, "'outputs' must be a list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_told_what_is_wrong(ridge: NoCode, name: str) -> None:
    document, says = WRONG[name]

    assert says in refusal(ridge, **document)


@pytest.mark.parametrize(("fault", "status"), [(TypeError("odd"), 400), (OSError("broken"), 500)])
def test_whatever_goes_wrong_with_one_request_its_neighbours_are_answered(
    ridge: NoCode, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int
) -> None:
    parse = ridge.task

    def task(request: ScoreRequest, **how: Any) -> Task:
        if request.request_id == "odd":
            raise fault
        return parse(request, **how)

    monkeypatch.setattr(ridge, "task", task)
    body = json.dumps({"inputs": [given("x", [1, 4], ROW)]}).encode()

    outcomes = ridge.answer([ScoreRequest(body, None, V2, name) for name in ("1", "odd", "3")])

    assert [getattr(outcome, "status", 0) for outcome in outcomes] == [200, status, 200]


def test_the_metadata_names_inputs_and_outputs_with_types_and_shapes(
    ridge: NoCode, tensor: NoCode
) -> None:
    found = ridge.v2_metadata()

    assert (found["name"], found["versions"]) == ("m", ["1"])
    assert found["inputs"][0] == {"name": "a", "datatype": "FP64", "shape": [-1]}
    assert found["outputs"] == [{"name": "output-0", "datatype": "FP64", "shape": [-1]}]
    assert tensor.v2_metadata()["inputs"] == [
        {"name": "input-0", "datatype": "FP32", "shape": [-1, 4]}
    ]
