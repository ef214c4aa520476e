"""The models that are served, and the requests they are asked, in each server's own dialect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAMES = ("linear", "forest", "onnx")
TITLES = {
    "linear": "Linear model of the diabetes data (Ridge, 10 features)",
    "forest": "Random forest of 100 trees",
    "onnx": "The linear model as ONNX",
}


@dataclass(frozen=True)
class Model:
    """A saved MLflow model and rows to ask it about."""

    name: str
    folder: Path
    columns: list[str]
    rows: list[list[float]]  # 1,000 of them

    def body(self, count: int, dialect: str) -> bytes:
        """Return a request of `count` rows: "mlflow", "data" (bare rows) or "v2"."""
        rows = self.rows[:count]
        if dialect == "v2":
            return json.dumps(self._v2(rows)).encode()
        if dialect == "data":
            return json.dumps({"data": rows}).encode()
        if self.tensor:
            return json.dumps({"inputs": rows}).encode()
        return json.dumps({"dataframe_split": {"columns": self.columns, "data": rows}}).encode()

    @property
    def tensor(self) -> bool:
        """Whether the model takes an array rather than a table."""
        return self.name == "onnx"

    def _v2(self, rows: list[list[float]]) -> dict[str, Any]:
        if self.tensor:
            shape, flat = [len(rows), len(rows[0])], [value for row in rows for value in row]
            item = {"name": "input", "datatype": "FP32", "shape": shape, "data": flat}
            return {"inputs": [{**item, "parameters": {"content_type": "np"}}]}
        columns = zip(self.columns, zip(*rows, strict=True), strict=True)
        shape = [len(rows), 1]
        inputs = [
            {"name": name, "datatype": "FP64", "shape": shape, "data": list(values)}
            for name, values in columns
        ]
        return {"parameters": {"content_type": "pd"}, "inputs": inputs}


@cache
def _data() -> tuple[Any, Any]:
    from sklearn.datasets import load_diabetes

    rows, target = load_diabetes(return_X_y=True, as_frame=True)
    return rows, target


def train(name: str, folder: Path) -> Model:
    """Train and save one of `NAMES` below `folder`."""
    rows, _ = _data()
    path = folder / name
    if name == "onnx":
        _save_onnx(path)
    else:
        _save(name, path)
    many = (rows.to_numpy().tolist() * 3)[:1000]
    return Model(name, path, list(rows.columns), many)


def _save(name: str, path: Path) -> None:
    import mlflow.sklearn

    model, described = _fitted(name)
    mlflow.sklearn.save_model(model, path, **described)


def log_linear() -> str:
    """Log the linear model to the environment's tracking server; return the run's id."""
    import mlflow.sklearn

    model, described = _fitted("linear")
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(model, name="model", **described)
    found: str = run.info.run_id
    return found


def _fitted(name: str) -> tuple[Any, dict[str, Any]]:
    from mlflow.models import infer_signature
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge

    rows, target = _data()
    kind = Ridge() if name == "linear" else RandomForestRegressor(100, random_state=0)
    model = kind.fit(rows, target)
    return model, {
        "signature": infer_signature(rows, model.predict(rows)),
        "input_example": rows.head(2),
        "serialization_format": "cloudpickle",
        "pip_requirements": pinned("mlflow", "scikit-learn", "cloudpickle"),
    }


def pinned(*packages: str) -> list[str]:
    """Return requirements for the versions that are installed here."""
    return [f"{package}=={version(package)}" for package in packages]


def _save_onnx(path: Path) -> None:
    import mlflow.onnx
    from mlflow.models import infer_signature
    from skl2onnx import to_onnx
    from sklearn.linear_model import Ridge

    rows, target = _data()
    array = rows.to_numpy("float32")
    mlflow.onnx.save_model(
        to_onnx(Ridge().fit(array, target), array[:1]),
        path,
        signature=infer_signature(array),
        input_example=array[:2],
        pip_requirements=pinned("mlflow", "onnxruntime"),
    )
