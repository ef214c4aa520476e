"""Small real models of the four libraries, saved by MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CITIES = ["Bern", "Köln", "Rom"]


@cache
def table() -> tuple[Any, Any]:
    """Four features and a target."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(rng.normal(size=(60, 4)), columns=["a", "b", "c", "d"])
    return rows, rows["a"] * 2 - rows["c"] + rng.normal(size=60) / 10


def _save(module: str, model: Any, folder: Path, given: Any, predicted: Any, **more: Any) -> Path:
    import importlib

    from mlflow.models import infer_signature

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(module).save_model(
            model,
            folder,
            signature=infer_signature(given, predicted),
            input_example=given[:5],
            pip_requirements=["mlflow"],
            **more,
        )
    return folder


def ridge(folder: Path) -> Path:
    from sklearn.linear_model import Ridge

    rows, target = table()
    model = Ridge().fit(rows, target)
    return _save("mlflow.sklearn", model, folder, rows, model.predict(rows))


def ridge_tensor(folder: Path) -> Path:
    from sklearn.linear_model import Ridge

    rows, target = table()
    cells = rows.to_numpy()
    model = Ridge().fit(cells, target)
    more = {"serialization_format": "cloudpickle"}
    return _save("mlflow.sklearn", model, folder, cells, model.predict(cells), **more)


def classes(folder: Path) -> Path:
    from sklearn.linear_model import LogisticRegression

    rows, target = table()
    names = np.where(target > 0.5, "größer", "kleiner")
    model = LogisticRegression().fit(rows, names)
    more = {"serialization_format": "pickle"}
    return _save("mlflow.sklearn", model, folder, rows, model.predict(rows), **more)


def pipeline(folder: Path) -> Path:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows, target = table()
    given = pd.DataFrame(
        {
            "city": [CITIES[place % 3] for place in range(60)],
            "age": rows["a"],
            "count": np.arange(60) % 7,
        }
    )
    encoder = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("city", encoder, ["city"])], remainder="passthrough")
    model = make_pipeline(columns, Ridge()).fit(given, target)
    more = {"serialization_format": "cloudpickle"}
    return _save("mlflow.sklearn", model, folder, given, model.predict(given), **more)


def xgb(folder: Path) -> Path:
    import xgboost

    rows, target = table()
    model = xgboost.XGBRegressor(n_estimators=8, max_depth=3).fit(rows, target)
    return _save("mlflow.xgboost", model, folder, rows, model.predict(rows))


def xgb_booster(folder: Path) -> Path:
    import xgboost

    rows, target = table()
    matrix = xgboost.DMatrix(rows, target)
    model = xgboost.train({"max_depth": 3}, matrix, 8)
    return _save("mlflow.xgboost", model, folder, rows, model.predict(matrix))


def lgb(folder: Path) -> Path:
    import lightgbm

    rows, target = table()
    classes = np.where(target > 0.5, "ja", "nein")
    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(rows, classes)
    more = {"serialization_format": "cloudpickle"}
    return _save("mlflow.lightgbm", model, folder, rows, model.predict(rows), **more)


def lgb_booster(folder: Path) -> Path:
    import lightgbm

    rows, target = table()
    model = lightgbm.train({"verbose": -1}, lightgbm.Dataset(rows, target), 8)
    return _save("mlflow.lightgbm", model, folder, rows, model.predict(rows))


def _onnx() -> Any:
    from skl2onnx import to_onnx
    from sklearn.linear_model import Ridge

    rows, target = table()
    model = Ridge().fit(rows, target)
    return to_onnx(model, rows.to_numpy(dtype=np.float32)[:1])


def onnx_columns(folder: Path) -> Path:
    rows, target = table()
    return _save("mlflow.onnx", _onnx(), folder, rows, target)


def onnx_tensor(folder: Path) -> Path:
    cells = table()[0].to_numpy(dtype=np.float32)
    return _save("mlflow.onnx", _onnx(), folder, cells, {"variable": cells[:, :1]})


MODELS: dict[str, Callable[[Path], Path]] = {
    maker.__name__: maker
    for maker in (
        ridge,
        ridge_tensor,
        classes,
        pipeline,
        xgb,
        xgb_booster,
        lgb,
        lgb_booster,
        onnx_columns,
        onnx_tensor,
    )
}
SINGLE = {"xgb", "xgb_booster", "onnx_columns", "onnx_tensor"}  # answer 32-bit floats
