"""XGBoost and LightGBM models without MLflow."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from serving.loaders.pickles import load_object
from serving.loaders.quick import Table
from serving.loaders.scikit_learn import ignore_missing_names
from serving.loaders.signature import Signature


class XGBoost:
    """A booster or an estimator of XGBoost; predicts as mlflow.xgboost's pyfunc does."""

    def __init__(self, folder: Path, mlmodel: dict[str, Any], inputs: Signature) -> None:
        own = mlmodel["flavors"]["xgboost"]
        self.xgboost = importlib.import_module("xgboost")
        module, _, name = own.get("model_class", "xgboost.core.Booster").rpartition(".")
        self.model = getattr(importlib.import_module(module), name)()
        self.model.load_model(str(folder / own["data"]))
        self.names = [spec.name for spec in inputs.inputs]
        self.booster = isinstance(self.model, self.xgboost.Booster)

    def predict(self, data: Any) -> Any:
        """Return predictions for what the signature gave."""
        if self.booster:
            return self.model.predict(self.xgboost.DMatrix(data), validate_features=True)
        if isinstance(self.model, self.xgboost.XGBModel):
            return self.model.predict(data, validate_features=True)
        return self.model.predict(data)

    def predict_rows(self, rows: Any) -> Any:
        """Return predictions for an array of rows of the signature's columns."""
        if self.booster:
            matrix = self.xgboost.DMatrix(rows, feature_names=self.names)
            return self.model.predict(matrix, validate_features=True)
        return self.predict(rows)

    def reads_frames_as_arrays(self, table: Table) -> bool:
        """Return False: it may check the names of columns, so it has to be tried."""
        return False


class LightGBM:
    """A booster or an estimator of LightGBM; predicts as mlflow.lightgbm's pyfunc does."""

    def __init__(self, folder: Path, mlmodel: dict[str, Any]) -> None:
        ignore_missing_names()
        own = mlmodel["flavors"]["lightgbm"]
        path = folder / own["data"]
        if own.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster":
            model = importlib.import_module("lightgbm").Booster(model_file=str(path))
        else:
            form = own.get("serialization_format") or "cloudpickle"
            model = load_object(path, form, own.get("skops_trusted_types"))
        self.model = model
        self.predict = model.predict
        self.predict_rows = model.predict

    def reads_frames_as_arrays(self, table: Table) -> bool:
        """Return False: it may check the names of columns, so it has to be tried."""
        return False
