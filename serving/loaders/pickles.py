"""Objects of the scikit-learn interface, in the formats that MLflow writes."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any


def load_object(path: Path, form: str, trusted: list[str] | None) -> Any:
    """Return the object in a file. Loading runs code of the model's: trust it first.

    Args:
        form: "pickle", "cloudpickle" or "skops".
        trusted: types that skops may load beside those it trusts itself.
    """
    if form == "skops":
        return importlib.import_module("skops.io").load(path, trusted=trusted)
    # What cloudpickle writes are pickles that name its functions.
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301  # the model's own file
