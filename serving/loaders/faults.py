"""What in an input many models cannot take."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from serving.loaders.merge import is_frame

LARGEST_FLOAT32 = 3.4028234663852886e38
INPUT_ERRORS = (ValueError, TypeError, KeyError, IndexError, OverflowError)
LIBRARIES = ("onnxruntime", "lightgbm", "xgboost")


def unusable(data: Any, names: list[str] | None = None) -> str | None:
    """Return what many models cannot take: no rows, a missing or a huge value; None for nothing.

    Args:
        data: what the model was given.
        names: of the columns, where it was given an array of rows.
    """
    if is_frame(data):
        if not len(data):
            return "The input holds no rows"
        series = [(f"in column {name!r} ", data.iloc[:, i]) for i, name in enumerate(data.columns)]
    elif isinstance(data, dict):
        series = [(f"in {name!r} ", value) for name, value in data.items()]
    elif names and isinstance(data, np.ndarray):
        series = [(f"in column {name!r} ", data[:, i]) for i, name in enumerate(names)]
    else:
        series = [("", data)]
    for where, values in series:
        try:
            cells = np.asarray(values).ravel()
        except ValueError:  # lists of different lengths
            continue
        faults = _missing(cells)
        if faults.any():
            return f"Missing value {where}(row {int(faults.argmax())})"
        if cells.dtype.kind == "f" and (np.abs(cells) > LARGEST_FLOAT32).any():
            return f"Number too large {where}".rstrip()
    return None


def _missing(cells: Any) -> Any:
    if cells.dtype.kind == "f":
        return np.isnan(cells)
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        return pandas.isna(cells)
    return np.array([cell is None for cell in cells.tolist()], dtype=bool)


def library_blames_input(error: Exception) -> bool:
    """Whether an exception of a library says that its input is wrong.

    ONNX Runtime and LightGBM have exceptions of their own for it.
    """
    own = type(error).__module__.partition(".")[0] in LIBRARIES
    return own or isinstance(error, INPUT_ERRORS)
