"""scikit-learn models without MLflow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from serving.loaders import forests
from serving.loaders.later import import_core
from serving.loaders.pickles import load_object
from serving.loaders.quick import Table

UNNAMED = "X does not have valid feature names"
PLAIN = frozenset({"builtins", "numpy", "scipy"})  # of whose types what is fitted consists
BY_NAME = frozenset({"ColumnTransformer", "FunctionTransformer"})  # may ask a frame for its columns


def ignore_missing_names() -> None:
    """Silence the advice to give frames: arrays are given only where they predict the same."""
    warnings.filterwarnings("ignore", message=UNNAMED, category=UserWarning)


def ignores_names(value: Any, names: list[str], seen: set[int] | None = None) -> bool:
    """Return whether a frame is to an estimator what the frame's array is.

    So it is when it is scikit-learn's own, with all that is in it, was fitted to columns of these
    names or of none, and picks no columns by name.

    Args:
        value: the estimator, or anything in it.
    """
    seen = set() if seen is None else seen
    if id(value) in seen:
        return True
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist() if value.dtype.kind == "O" else []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return all(ignores_names(item, names, seen) for item in value)
    if not hasattr(value, "get_params"):
        home = type(value).__module__.partition(".")[0]
        return home == "sklearn" or (home in PLAIN and not callable(value))
    kind, inside = type(value), getattr(value, "__dict__", {})
    if not kind.__module__.startswith("sklearn.") or kind.__name__ in BY_NAME:
        return False
    if "_sklearn_output_config" in inside or list(inside.get("feature_names_in_", names)) != names:
        return False
    return all(
        ignores_names(item, names, seen)
        for name, item in inside.items()
        if name != "feature_names_in_"
    )


class ScikitLearn:
    """An estimator; predicts as mlflow.sklearn's pyfunc does."""

    def __init__(self, folder: Path, mlmodel: dict[str, Any]) -> None:
        import_core()
        ignore_missing_names()
        own = mlmodel["flavors"]["sklearn"]
        pyfunc = mlmodel["flavors"]["python_function"]
        path = folder / str(pyfunc.get("data") or "")
        if path.is_dir():  # the folder itself, since MLflow 1.x
            path = path / str(pyfunc.get("model_path") or own["pickled_model"])
        form = own.get("serialization_format") or "pickle"
        self.estimator = load_object(path, form, own.get("skops_trusted_types"))
        forests.in_order()
        self.predict = self.estimator.predict
        self.predict_rows = self.estimator.predict

    def reads_frames_as_arrays(self, table: Table) -> bool:
        """Return whether it is scikit-learn's own through and through, given numbers alone."""
        numbers = all(kind.kind in "fi" for kind in table.types)  # a frame of others has objects
        return numbers and ignores_names(self.estimator, table.names)
