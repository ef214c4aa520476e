"""Models that only MLflow loads: custom code with parameters, no signature, nested types."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.loaders.base import NoCode
from tests.serving.mlflow_server import MlflowServer, ask, loaded
from tests.serving.test_same_as_mlflow import SOME, assert_same

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Save models/<name>.py as an MLflow model with a signature, or without."""
    import mlflow.pyfunc

    def save(name: str, signature: Any = None) -> Path:
        folder = tmp_path_factory.mktemp("pyfunc") / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pyfunc.save_model(
                folder,
                python_model=str(HERE / "models" / f"{name}.py"),
                signature=signature,
                pip_requirements=["mlflow"],
            )
        return folder

    return save


@pytest.fixture(scope="module")
def with_params(save: Callable[..., Path]) -> tuple[MlflowServer, NoCode]:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    params = ParamSchema(
        [
            ParamSpec("factor", "double", 2.0),
            ParamSpec("words", "string", ["a"], shape=(-1,)),
        ]
    )
    signature = ModelSignature(inputs=Schema([ColSpec("double", "x")]), params=params)
    folder = save("scaled", signature)
    return MlflowServer(folder), loaded(folder, "plain", batch=True)


PARAMS = st.none() | st.dictionaries(
    st.sampled_from(["factor", "words", "other"]),
    st.sampled_from([1, 2.5, "3", None, ["u", "ü"], [1], {}]),
)


@SOME
@given(rows=st.lists(st.floats(-9, 9), min_size=1, max_size=3), params=PARAMS)
def test_parameters_reach_the_model_as_under_mlflow(
    with_params: tuple[MlflowServer, NoCode], rows: list[float], params: Any
) -> None:
    server, model = with_params
    split = {"columns": ["x"], "data": [[cell] for cell in rows]}
    body = json.dumps({"dataframe_split": split, "params": params}).encode()

    (found,) = ask(model, body)

    assert_same(found, server.answer(body))


def test_requests_of_different_parameters_are_not_scored_together(
    with_params: tuple[MlflowServer, NoCode],
) -> None:
    _, model = with_params
    split = {"columns": ["x"], "data": [[1.0]]}
    bodies = [
        json.dumps({"dataframe_split": split, "params": {"factor": float(n)}}).encode()
        for n in (2, 3, 2)
    ]

    found = ask(model, *bodies)

    values = [answer["predictions"][0]["scaled"] for _, answer in found]
    assert values == [2.0, 3.0, 2.0]
    assert [answer["predictions"][0]["rows"] for _, answer in found] == [2, 1, 2]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def unsigned(save: Callable[..., Path]) -> tuple[MlflowServer, NoCode]:
    folder = save("shown")
    return MlflowServer(folder), loaded(folder, "plain")


@SOME
@given(
    form=st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs"]),
    value=VALUES | st.lists(st.dictionaries(st.sampled_from(["a", "b"]), VALUES), max_size=3),
)
def test_without_a_signature_the_model_gets_what_mlflow_gives_it(
    unsigned: tuple[MlflowServer, NoCode], form: str, value: Any
) -> None:
    server, model = unsigned
    body = json.dumps({form: value}).encode()

    (found,) = ask(model, body)

    assert_same(found, server.answer(body))


@pytest.fixture(scope="module")
def deep(save: Callable[..., Path]) -> tuple[MlflowServer, NoCode]:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import Array, Object, Property

    person = Object([Property("age", "long"), Property("name", "string", required=False)])
    columns = [ColSpec(Array("double"), "xs"), ColSpec(person, "who"), ColSpec("string", "tag")]
    folder = save("shown", ModelSignature(inputs=Schema(columns)))
    return MlflowServer(folder), loaded(folder, "plain")


PEOPLE = st.fixed_dictionaries(
    {"age": st.integers(0, 99) | st.just("x")}, optional={"name": st.text(max_size=3)}
)


@SOME
@given(
    form=st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs"]),
    rows=st.lists(
        st.tuples(st.lists(st.floats(-9, 9), max_size=3) | VALUES, PEOPLE | VALUES, st.text()),
        max_size=3,
    ),
)
def test_nested_types_are_enforced_as_under_mlflow(
    deep: tuple[MlflowServer, NoCode], form: str, rows: list[tuple[Any, ...]]
) -> None:
    server, model = deep
    names = ["xs", "who", "tag"]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    split = {"columns": names, "data": rows}
    body = json.dumps({form: split if form == "dataframe_split" else records}).encode()

    (found,) = ask(model, body)

    assert_same(found, server.answer(body))
