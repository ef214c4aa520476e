"""Small real models in the files that people upload, each with rows and right answers."""

from __future__ import annotations

import io
import pickle
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = ["a", "b", "c", "d"]


@dataclass(frozen=True)
class Made:
    """A model's file, and what it answers to `rows`."""

    file_name: str
    content: bytes
    rows: pd.DataFrame
    answers: list[float]

    @property
    def files(self) -> dict[str, bytes]:
        return {self.file_name: self.content}

    @property
    def sample(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = self.rows.head(2).to_dict("records")
        return records


@cache
def table() -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(7)
    rows = pd.DataFrame(
        rng.normal(size=(80, 4)).astype("float32").astype("float64"), columns=COLUMNS
    )
    return rows, rows["a"] * 2 - rows["c"] + rng.normal(size=80) / 10


def _made(file_name: str, content: bytes, answers: Any) -> Made:
    rows, _target = table()
    flat = [float(value) for value in np.asarray(answers).reshape(-1)[:5]]
    return Made(file_name, content, rows.head(5), flat)


@cache
def ridge() -> Any:
    from sklearn.linear_model import Ridge

    return Ridge().fit(*table())


@cache
def forest() -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=5, random_state=0).fit(*table())


def sklearn_pickle(protocol: int = pickle.DEFAULT_PROTOCOL) -> Made:
    model = ridge()
    content = pickle.dumps(model, protocol=protocol)
    return _made("model.pkl", content, model.predict(table()[0]))


def sklearn_joblib(compress: Any = 0) -> Made:
    import joblib

    model, target = forest(), io.BytesIO()
    joblib.dump(model, target, compress=compress)
    return _made("model.joblib", target.getvalue(), model.predict(table()[0]))


def sklearn_skops() -> Made:
    import skops.io

    model = ridge()
    return _made("model.skops", bytes(skops.io.dumps(model)), model.predict(table()[0]))


def onnx() -> Made:
    from skl2onnx import to_onnx

    rows = table()[0].to_numpy(dtype="float32")
    model = ridge()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = to_onnx(model, rows[:1]).SerializeToString()
    return _made("model.onnx", content, model.predict(table()[0]))


def xgboost(ending: str = "json", *, estimator: bool = True) -> Made:
    import xgboost as library

    rows, target = table()
    if estimator:
        model: Any = library.XGBRegressor(n_estimators=5, max_depth=3).fit(rows, target)
        answers = model.predict(rows)
    else:
        matrix = library.DMatrix(rows, target)
        model = library.train({"max_depth": 3}, matrix, 5)
        answers = model.predict(matrix)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model.{ending}")
        model.save_model(path)
        return _made(path.name, path.read_bytes(), answers)


def lightgbm() -> Made:
    import lightgbm as library

    rows, target = table()
    data = library.Dataset(rows, target)
    model = library.train({"verbosity": -1, "min_data_in_leaf": 5}, data, 5)
    return _made("model.txt", model.model_to_string().encode(), model.predict(rows))


def mlflow_folder() -> Made:
    """A folder that MLflow saved, in a zip; with columns and an input example."""
    import mlflow.sklearn

    rows, model = table()[0], ridge()
    example = rows.head(2)
    signature = mlflow.models.infer_signature(rows, model.predict(rows))
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        mlflow.sklearn.save_model(model, path, signature=signature, input_example=example)
        with zipfile.ZipFile(content, "w") as archive:
            for item in sorted(path.rglob("*")):
                archive.write(item, item.relative_to(folder))
    return _made("model.zip", content.getvalue(), model.predict(rows))


WRAPPED = {
    "onnx": onnx,
    "sklearn-pickle": sklearn_pickle,
    "sklearn-joblib": sklearn_joblib,
    "sklearn-skops": sklearn_skops,
    "xgboost": xgboost,
    "lightgbm": lightgbm,
}
