"""The quick path for plain numbers: orjson and NumPy, no pandas, no copy too many.

Every function returns None for whatever is unusual, which the exact path then reads; so what is
read here must come out as there. `tests/serving/test_same_as_mlflow.py` holds both to MLflow.
"""

from __future__ import annotations

import importlib
from operator import itemgetter
from typing import Any

import numpy as np

from serving.loaders.signature import Signature

NUMBERS = frozenset(("double", "float", "long", "integer"))
WHOLE_FLOAT = 2.0**53  # below it every whole number is exactly one double


def _orjson() -> Any:
    try:
        return importlib.import_module("orjson")
    except ImportError:  # a model's Python for which there is none
        return None


ORJSON = _orjson()


def loads(body: bytes) -> Any:
    """Return the JSON value of a body, or None where it takes the standard library to judge it."""
    if ORJSON is None:
        return None
    try:
        return ORJSON.loads(body)
    except ValueError:
        return None


def float_tensors(signature: Signature) -> bool:
    """Whether orjson reads well enough for all inputs.

    Its one difference from json: integers beyond 64 bits become floats, as they do in such tensors.
    """
    return signature.tensors and all(spec.dtype.startswith("float") for spec in signature.inputs)


class Table:
    """Named columns of numbers, read as rows of one array of the columns' common type."""

    def __init__(self, signature: Signature) -> None:
        specs = signature.inputs
        self.names: list[str] = [str(spec.name) for spec in specs]
        self.width = len(specs)
        self.types = [np.dtype(spec.dtype) for spec in specs]
        self.dtype: np.dtype[Any] = np.result_type(*self.types)
        kinds = [spec.type for spec in specs]
        self._floats = [place for place, kind in enumerate(kinds) if kind == "float"]
        self._whole = {
            place: WHOLE_FLOAT if kind == "long" else 2.0**31
            for place, kind in enumerate(kinds)
            if kind in ("long", "integer")
        }
        self._name_set = set(self.names)

    @classmethod
    def of(cls, signature: Signature | None) -> Table | None:
        """Return the reader for a signature, or None when it has other inputs than numbers."""
        if signature is None or signature.tensors or not signature.named:
            return None
        numbers = all(spec.type in NUMBERS and spec.required for spec in signature.inputs)
        distinct = len(signature.by_name()) == len(signature.inputs)
        return cls(signature) if numbers and distinct else None

    def rows(self, key: str, value: Any) -> list[Any] | None:
        """Return the rows of a payload, each a list of cells in the signature's order."""
        if key == "dataframe_split":
            return self.split_rows(value)
        if isinstance(value, list):
            return self._records(value)
        return self._columns(value) if key == "inputs" and isinstance(value, dict) else None

    def split_rows(self, value: Any) -> list[Any] | None:
        """Return the rows of what may be the value of dataframe_split."""
        if not isinstance(value, dict):
            return None
        names, rows = value.get("columns"), value.get("data")
        extra = len(value) - 2  # an index is of no account, but its length must fit
        if extra and not (extra == 1 and "index" in value and _counts(value["index"], rows)):
            return None
        if not isinstance(rows, list) or not rows:
            return None
        if names == self.names:
            return rows
        return self._reordered(names, rows)

    def _reordered(self, names: Any, rows: list[Any]) -> list[Any] | None:
        if not isinstance(names, list) or len(names) != self.width or self.width < 2:
            return None
        try:
            if set(names) != self._name_set:
                return None
            pick = itemgetter(*map(names.index, self.names))
            if any(len(row) != self.width for row in rows):
                return None
            return list(map(pick, rows))
        except (TypeError, IndexError):
            return None

    def _records(self, rows: list[Any]) -> list[Any] | None:
        if not rows or self.width < 2:
            return None
        pick, width = itemgetter(*self.names), self.width
        try:
            if any(len(row) != width for row in rows):
                return None
            return list(map(pick, rows))
        except (TypeError, KeyError, IndexError):
            return None

    def _columns(self, value: dict[str, Any]) -> list[Any] | None:
        if len(value) != self.width or self.width < 2:
            return None
        try:
            columns = [value[name] for name in self.names]
        except KeyError:
            return None
        length = len(columns[0]) if isinstance(columns[0], list) else 0
        if not length or any(not isinstance(c, list) or len(c) != length for c in columns):
            return None
        return list(zip(*columns))  # noqa: B905  # Python 3.9

    def matrix(self, rows: list[Any]) -> Any:
        """Return the rows as one array in column order, or None when a cell is no plain number.

        The memory layout is that of a frame's values, so that sums are taken in the same order.
        """
        try:
            cells = np.array(rows)
        except (ValueError, OverflowError):
            return None
        if cells.ndim != 2 or cells.shape[1] != self.width:
            return None
        if cells.dtype == object:
            cells = self._with_gaps(rows)
            if cells is None:
                return None
        if cells.dtype.kind not in "fi" or (self._whole and not self._fits(cells)):
            return None
        with np.errstate(over="ignore"):
            if self._floats:
                cells = cells.astype(np.float64, copy=False)
                single = cells[:, self._floats]
                if (np.abs(single) > WHOLE_FLOAT).any():  # integers there would be rounded twice
                    return None
                cells[:, self._floats] = single.astype(np.float32)
            return cells.astype(self.dtype, order="F")

    def _with_gaps(self, rows: list[Any]) -> Any:
        """Return rows with missing values, which only columns of floats take."""
        if self._whole:
            return None
        kinds = {type(cell) for row in rows for cell in row}
        return np.array(rows, dtype=np.float64) if kinds <= {float, int, type(None)} else None

    def _fits(self, cells: Any) -> bool:
        if self.dtype.kind == "i":
            if cells.dtype != np.int64:
                return False
            small = [place for place, limit in self._whole.items() if limit < WHOLE_FLOAT]
            held = cells[:, small]
            return bool(((held >= -(2**31)) & (held < 2**31)).all())
        for place, limit in self._whole.items():
            column = cells[:, place]
            if not ((np.abs(column) < limit) & (column == np.trunc(column))).all():
                return False
        return True


def frame(matrix: Any, table: Table) -> Any:
    """Return rows as the frame that the exact path would make of them."""
    pandas = importlib.import_module("pandas")
    columns = zip(table.names, table.types)  # noqa: B905  # Python 3.9
    return pandas.DataFrame({n: matrix[:, k].astype(t) for k, (n, t) in enumerate(columns)})


def _counts(index: Any, rows: Any) -> bool:
    if not isinstance(index, list) or not isinstance(rows, list) or len(index) != len(rows):
        return False
    return all(isinstance(label, (int, str)) for label in index)
