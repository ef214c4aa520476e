"""The fast loader in a real replica, its refusals, and how it scores requests together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.errors import ServingError
from serving.loaders.base import NoCode
from serving.scoring import SCORE, Answer, ScoreRequest
from tests.serving.mlflow_server import ask, loaded, save_echo
from tests.serving.replica import Replica
from tests.serving.test_wrong_input import GOOD, NAMES, WRONG

NUMBERS = [{"type": "double", "name": name, "required": True} for name in "ab"]


@pytest.fixture(scope="module")
def fast(diabetes_model: Path) -> NoCode:
    return loaded(diabetes_model, "fast", batch=True)


def test_a_replica_serves_without_mlflow(replicas: Callable[..., Replica], tmp_path: Path) -> None:
    import cloudpickle

    from tests.serving.models import modules

    folder = save_echo(tmp_path / "modules", NUMBERS)
    cloudpickle.register_pickle_by_value(modules)  # the replica cannot import this test's modules
    (folder / "model.pkl").write_bytes(cloudpickle.dumps(modules.Modules()))
    replica = replicas(folder, loader="fast").started()

    answer = replica.post("/score", {"data": [[1.0, 2.0], [3.0, 4.0]]})

    assert answer.json() == [0, 0], "modules of MLflow were imported"
    assert replica.get("/swagger.json").status_code == 200
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}
    inferred = replica.post("/v2/models/diabetes/infer", {"inputs": [tensor]})
    assert inferred.json()["outputs"][0]["data"] == [0]
    refused = replica.post("/v2/models/diabetes/infer", {"inputs": []})
    assert (refused.status_code, list(refused.json())) == (400, ["error"])
    assert replica.get("/v2/models/diabetes").json()["inputs"][1]["name"] == "b"


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_told_what_is_wrong_as_by_the_plain_loader(fast: NoCode, name: str) -> None:
    body, says = WRONG[name]
    text = body if isinstance(body, bytes) else body.encode()

    (outcome,) = fast.answer([ScoreRequest(text, None, SCORE, "")])

    assert isinstance(outcome, ServingError)
    assert outcome.status == 400
    assert says in outcome.message


def body(*rows: Any) -> bytes:
    return json.dumps({"dataframe_split": {"columns": NAMES, "data": rows}}).encode()


def test_a_bad_request_among_others_fails_alone(fast: NoCode) -> None:
    bad = [*GOOD[:-1], None]
    asked = [body(GOOD), body(bad), body(GOOD, GOOD), b"{", body([*GOOD[:-1], "x"]), body()]

    found = ask(fast, *asked)

    assert [scored for scored, _ in found] == [True, False, True, False, False, False]
    alone = ask(fast, body(GOOD))[0]
    assert found[0] == alone
    assert found[2][1]["predictions"] == alone[1]["predictions"] * 2
    assert "Missing value in column 's6' (row 0)" in found[1][1]


class Calls:
    """Counts what it is given at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def predict(self, given: Any) -> Any:
        self.sizes.append(len(given))
        return [float(value) for value in given["a"]]


@pytest.fixture
def counting(tmp_path: Path) -> Callable[..., tuple[NoCode, list[int]]]:
    import pickle

    def make(batch: bool, **config: Any) -> tuple[NoCode, list[int]]:
        folder = save_echo(tmp_path / "calls", NUMBERS)
        (folder / "model.pkl").write_bytes(pickle.dumps(Calls()))
        model = loaded(folder, "fast", batch=batch, **config)
        estimator: Any = model.library  # type: ignore[attr-defined]
        estimator.estimator.sizes.clear()
        return model, estimator.estimator.sizes

    return make


ROWS = {"data": [[1.0, 2.0], [3.0, 4.0]]}
FORMS: list[dict[str, Any]] = [
    {"dataframe_split": {"columns": ["a", "b"], **ROWS}},
    {"dataframe_split": {"columns": ["b", "a"], "data": [[2.0, 1.0], [4.0, 3.0]]}},
    {"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]},
    {"inputs": {"b": [2, 4], "a": [1, 3]}},
    ROWS,
    {"input_data": {"columns": ["a", "b"], **ROWS}},
]


def test_requests_of_all_forms_are_scored_as_one_frame(
    counting: Callable[..., tuple[NoCode, list[int]]],
) -> None:
    model, sizes = counting(batch=True)

    found = ask(model, *(json.dumps(form).encode() for form in FORMS))

    assert sizes == [12]
    assert [document for _, document in found] == [{"predictions": [1.0, 3.0]}] * 6


def test_a_service_that_asks_for_exact_scores_each_alone(
    counting: Callable[..., tuple[NoCode, list[int]]],
) -> None:
    model, sizes = counting(batch=False)

    ask(model, *(json.dumps(form).encode() for form in FORMS))

    assert sizes == [2] * 6


def test_a_batch_holds_no_more_rows_than_allowed(
    counting: Callable[..., tuple[NoCode, list[int]]],
) -> None:
    model, sizes = counting(batch=True, max_batch_rows=5)

    ask(model, *(json.dumps(form).encode() for form in FORMS))

    assert sizes == [4, 4, 4]


def test_each_answer_has_the_form_its_client_expects(fast: NoCode) -> None:
    bodies = [body(GOOD), json.dumps({"data": [GOOD]}).encode()]

    wrapped, bare = fast.answer([ScoreRequest(b, None, SCORE, "") for b in bodies])

    assert isinstance(wrapped, Answer)
    assert isinstance(bare, Answer)
    assert json.loads(wrapped.body) == {"predictions": json.loads(bare.body)}
