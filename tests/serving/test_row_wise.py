"""The check that a model is row-wise, which decides whether requests are scored together."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.loaders.row_wise import row_wise
from tests.serving.library_models import MODELS
from tests.serving.mlflow_server import loaded, save_echo

X = [{"type": "double", "name": "x", "required": True}]


def verdict(folder: Path, loader: str = "fast") -> tuple[bool, str]:
    return row_wise(loaded(folder, loader))


@pytest.mark.parametrize("loader", ["fast", "plain"])
def test_a_regression_is_row_wise(tmp_path: Path, loader: str) -> None:
    found, reason = verdict(MODELS["ridge"](tmp_path / "ridge"), loader)

    assert found
    assert reason.startswith("64 rows")


class Odd:
    """An estimator whose answers depend on more than their row."""

    def __init__(self, how: str) -> None:
        self.how = how

    def predict(self, given: Any) -> Any:
        x = np.asarray(given, dtype=float).ravel()
        answers = {
            "mean": x - x.mean(),
            "order": np.arange(len(x)),
            "length": [str(len(x))] * len(x),
            "nearly": x * (1 + len(x) * 1e-14),
            "total": np.array([x.sum()]),
        }
        return answers[self.how]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("mean", "differs from the answer alone"),
        ("order", "differs from the answer alone"),
        ("length", "differs from the answer alone"),
        ("nearly", "differs from the answer alone"),
        ("total", "not one item per row"),
    ],
)
def test_a_model_that_looks_at_its_neighbours_is_not(tmp_path: Path, how: str, says: str) -> None:
    found, reason = verdict(_saved(tmp_path, how))

    assert not found
    assert says in reason


def _saved(folder: Path, how: str) -> Path:
    import pickle

    path = save_echo(folder / "odd", X)
    (path / "model.pkl").write_bytes(pickle.dumps(Odd(how)))
    return path


def test_rows_that_cannot_be_told_apart_prove_nothing(tmp_path: Path) -> None:
    import json

    folder = save_echo(tmp_path / "echo", [{"type": "string", "name": "x", "required": True}])
    text = (folder / "MLmodel").read_text()
    info = {"saved_input_example_info": {"serving_input_path": "example.json"}}
    (folder / "MLmodel").write_text(text + json.dumps(info)[1:-1].replace('"', "") + "\n")
    rows = {"dataframe_split": {"columns": ["x"], "data": [["same"], ["same"]]}}
    (folder / "example.json").write_text(json.dumps(rows))

    found, reason = verdict(folder)

    assert not found
    assert "fewer than 2 distinct rows" in reason


def test_a_model_without_signature_is_not(tmp_path: Path) -> None:
    import mlflow.sklearn
    from sklearn.linear_model import LinearRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=["mlflow"])

    found, reason = verdict(tmp_path / "m", "plain")

    assert not found
    assert "no signature" in reason
