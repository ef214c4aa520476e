"""Which loader a model gets, from its MLmodel alone, and what its environment needs then."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from serving.choose import choose, without_mlflow

COLUMNS = [{"type": "double", "name": "age", "required": True}]
TENSOR = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 10]}}]


def mlmodel(flavor: str = "sklearn", inputs: Any = None, **own: Any) -> dict[str, Any]:
    defaults: dict[str, dict[str, Any]] = {
        "sklearn": {"serialization_format": "cloudpickle", "sklearn_version": "1.9.1"},
        "onnx": {"onnx_version": "1.23.2"},
        "xgboost": {"model_class": "xgboost.core.Booster", "xgb_version": "3.2.0"},
        "lightgbm": {"model_class": "lightgbm.basic.Booster", "lgb_version": "4.7.0"},
    }
    return {
        "mlflow_version": "3.17.2",
        "flavors": {
            "python_function": {"loader_module": f"mlflow.{flavor}", "model_path": "model.pkl"},
            flavor: {"code": None, **defaults.get(flavor, {}), **own},
        },
        "signature": {"inputs": json.dumps(inputs or COLUMNS), "outputs": None, "params": None},
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(mlmodel())
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return document


@pytest.mark.parametrize("flavor", ["sklearn", "onnx", "xgboost", "lightgbm"])
@pytest.mark.parametrize("inputs", [COLUMNS, TENSOR])
def test_the_four_libraries_with_a_signature_are_fast(flavor: str, inputs: Any) -> None:
    loader, reason = choose(mlmodel(flavor, inputs))

    assert loader == "fast"
    assert "without MLflow" in reason


NESTED = [{"type": "array", "items": {"type": "double"}, "name": "a", "required": True}]
PARAMS = json.dumps([{"name": "alpha", "type": "double", "default": 1.0, "shape": None}])
PLAIN = {
    "no flavour": ("flavors", {}, "form that only MLflow reads"),
    "no loader": ("flavors.python_function.loader_module", None, "loaded by None"),
    "python model": (
        "flavors.python_function.loader_module",
        "mlflow.pyfunc.model",
        "needs MLflow",
    ),
    "pytorch": ("flavors.python_function.loader_module", "mlflow.pytorch", "mlflow.pytorch"),
    "code": ("flavors.python_function.code", "code", "Python code of its own"),
    "predict_proba": ("flavors.python_function.predict_fn", "predict_proba", "'predict_proba'"),
    "format": ("flavors.sklearn.serialization_format", "dill", "'dill'"),
    "no signature": ("signature", None, "no signature"),
    "outputs only": ("signature.inputs", None, "no signature"),
    "params": ("signature.params", PARAMS, "takes parameters"),
    "nested": ("signature.inputs", json.dumps(NESTED), "type array"),
    "broken": ("signature.inputs", "nonsense", "form that only MLflow reads"),
    "type hints": ("is_signature_from_type_hint", True, "type hints"),
    "same names": ("signature.inputs", json.dumps(COLUMNS * 2), "one name"),
    "no object": ("flavors", 3, "form that only MLflow reads"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_everything_else_is_left_to_mlflow_and_says_why(name: str) -> None:
    path, value, says = PLAIN[name]

    loader, reason = choose(changed(path, value))

    assert loader == "plain"
    assert says in reason


def test_the_environment_leaves_mlflow_out_and_keeps_what_came_with_it() -> None:
    given = ["mlflow==3.17.2", "mlflow_skinny[extras]>=3", "scikit-learn==1.9.1", "-c c.txt", "# x"]

    assert without_mlflow(given, mlmodel()) == [
        "scikit-learn==1.9.1",
        "-c c.txt",
        "# x",
        "numpy<3",
        "pandas<4",
        "pyarrow",
        "cloudpickle",
    ]


def test_what_the_model_pins_stays_as_it_is() -> None:
    given = [
        "mlflow",
        "numpy==1.26",
        "Pandas==2.1",
        "pyarrow==15",
        "cloudpickle==3",
        "scikit_learn",
    ]

    assert without_mlflow(given, mlmodel()) == given[1:]


def test_a_library_that_only_mlflow_brought_is_pinned_to_the_models_version() -> None:
    assert "scikit-learn==1.9.1" in without_mlflow(["mlflow"], mlmodel())
    assert "xgboost==3.2.0" not in without_mlflow(["xgboost-cpu==3.2.0"], mlmodel("xgboost"))


def test_scikit_learns_classes_of_other_libraries_need_scikit_learn() -> None:
    document = mlmodel("xgboost", model_class="xgboost.sklearn.XGBRegressor")

    assert "scikit-learn" in without_mlflow(["xgboost==3.2.0"], document)


def test_tensors_need_no_parquet_and_older_models_no_newer_pandas() -> None:
    document = {**mlmodel("onnx", TENSOR), "mlflow_version": "2.9.2"}

    assert without_mlflow(["onnxruntime"], document) == ["onnxruntime", "numpy<2", "pandas<3"]
