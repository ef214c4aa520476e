"""scikit-learn models without MLflow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from serving.loaders.pickles import load_object

UNNAMED = "X does not have valid feature names"


def ignore_missing_names() -> None:
    """Silence the advice to give frames: arrays are given only where they predict the same."""
    warnings.filterwarnings("ignore", message=UNNAMED, category=UserWarning)


class ScikitLearn:
    """An estimator; predicts as mlflow.sklearn's pyfunc does."""

    def __init__(self, folder: Path, mlmodel: dict[str, Any]) -> None:
        ignore_missing_names()
        own = mlmodel["flavors"]["sklearn"]
        pyfunc = mlmodel["flavors"]["python_function"]
        path = folder / str(pyfunc.get("data") or "")
        if path.is_dir():  # the folder itself, since MLflow 1.x
            path = path / str(pyfunc.get("model_path") or own["pickled_model"])
        form = own.get("serialization_format") or "pickle"
        self.estimator = load_object(path, form, own.get("skops_trusted_types"))
        self.predict = self.estimator.predict
        self.predict_rows = self.estimator.predict
