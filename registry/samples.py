"""A sample input as a person gives it, in any of the shapes that scoring takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from workspaces.errors import Invalid

MAX_SAMPLE = 1_000_000  # characters of JSON
MAX_COLUMNS = 5_000
WRAPPERS = ("inputs", "instances", "data", "input_data")


@dataclass(frozen=True)
class Sample:
    """A sample in one shape: rows with or without names of columns, or tensors by name.

    `columns` None: `rows` is an array, of any depth. `tensors`: arrays by name, nothing else.
    """

    columns: list[str] | None = None
    rows: list[Any] | None = None
    tensors: dict[str, Any] | None = None

    def named(self, names: Sequence[str]) -> Sample:
        """Rows without names as a table of these columns, where they fit."""
        rows = self.rows or []
        fits = self.columns is None and all(
            isinstance(row, list) and len(row) == len(names) for row in rows
        )
        return Sample(list(names), rows) if names and rows and fits else self

    def body(self) -> dict[str, Any]:
        """What a client sends: can be POSTed to a scoring URI as it is."""
        if self.tensors is not None:
            return {"inputs": self.tensors}
        if self.columns is not None:
            return {"dataframe_split": {"columns": self.columns, "data": self.rows}}
        return {"inputs": self.rows}


def json_read(value: Any, field: str) -> Any:
    """A sample given as JSON text, or as the value itself; None for nothing.

    Raises:
        Invalid: on `field`.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("utf-8", "replace")
    try:
        if isinstance(value, str):
            if len(value) > MAX_SAMPLE:
                raise ValueError("long")  # noqa: TRY301 (one answer for all that is wrong)
            value = json.loads(value, parse_constant=_constant)
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, TypeError, RecursionError, UnicodeEncodeError):
        sentence = _("must be JSON of at most %(limit)s characters, without NaN or infinity.")
        words = sentence % {"limit": MAX_SAMPLE}
        raise Invalid(f"{field} {words}", fields={field: [words]}) from None
    if len(text) > MAX_SAMPLE or "\\u0000" in text:
        words = _("is longer than %(limit)s characters, or holds what cannot be kept.")
        words %= {"limit": MAX_SAMPLE}
        raise Invalid(f"{field} {words}", fields={field: [words]})
    return value


def _constant(text: str) -> Any:
    raise ValueError(text)


def sample_read(value: Any) -> Sample | None:
    """The shape of a sample; None when it is no table and no array, so that only a script knows."""
    if isinstance(value, Mapping):
        return _from_mapping(dict(value))
    if isinstance(value, list) and value:
        return _from_list(value)
    return None


def _from_mapping(value: dict[str, Any]) -> Sample | None:
    if isinstance(value.get("dataframe_split"), Mapping):
        value = dict(value["dataframe_split"])
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _table([str(name) for name in value["columns"]], value["data"])
    if isinstance(value.get("dataframe_records"), list):
        return _from_list(value["dataframe_records"])
    for key in WRAPPERS:
        if len(value) == 1 and key in value:
            inner = value[key]
            return sample_read(inner)
    if not value:
        return None
    if all(not isinstance(item, list | dict) for item in value.values()):
        return _table(list(value), [list(value.values())])
    if all(isinstance(item, list) for item in value.values()):
        return _from_columns(value)
    return None


def _from_columns(value: dict[str, Any]) -> Sample:
    flat = all(not isinstance(cell, list | dict) for items in value.values() for cell in items)
    if flat and len({len(items) for items in value.values()}) == 1:
        rows = [list(row) for row in zip(*value.values(), strict=True)]
        return _table(list(value), rows) or Sample(tensors=value)
    return Sample(tensors=value)


def _from_list(value: list[Any]) -> Sample | None:
    if all(isinstance(row, Mapping) for row in value):
        columns = list(dict.fromkeys(str(key) for row in value for key in row))
        return _table(columns, [[row.get(name) for name in columns] for row in value])
    if all(isinstance(row, list) for row in value):
        return Sample(rows=value) if _shape(value) is not None else None
    if any(isinstance(row, list | dict) for row in value):
        return None
    return Sample(rows=[value])  # one row


def _table(columns: list[str], rows: list[Any]) -> Sample | None:
    good = (
        0 < len(columns) <= MAX_COLUMNS
        and len(set(columns)) == len(columns)
        and rows
        and all(isinstance(row, list) and len(row) == len(columns) for row in rows)
        and all(not isinstance(cell, list | dict) for row in rows for cell in row)
    )
    return Sample(columns, rows) if good else None


def _shape(value: Any) -> list[int] | None:
    """Lengths of an even array of numbers; None for an uneven one or one of other things."""
    if not isinstance(value, list):
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return [] if good and math.isfinite(value) else None
    inner = [_shape(item) for item in value]
    if not inner or any(item is None or item != inner[0] for item in inner):
        return None
    return [len(value), *(inner[0] or [])]


def column_type(cells: Sequence[Any]) -> str | None:
    """MLflow's type of a column's cells; None where there is none that holds them all.

    Whole numbers are doubles as well: a sample's 1 says not that 1.5 is wrong, and whoever sends
    whole numbers to a column of doubles is understood.
    """
    known = [cell for cell in cells if cell is not None]
    kinds = {type(cell) for cell in known}
    if kinds == {bool}:
        return "boolean" if len(known) == len(cells) else None
    if kinds and kinds <= {int, float}:
        return "double"
    return "string" if kinds == {str} else None


def inputs_of(sample: Sample) -> list[dict[str, Any]] | None:
    """The inputs of a signature, as MLmodel writes them; None when none can be told."""
    if sample.columns is not None:
        columns = []
        for place, name in enumerate(sample.columns):
            kind = column_type([row[place] for row in sample.rows or []])
            if kind is None:
                return None
            columns.append({"name": name, "type": kind, "required": True})
        return columns
    if sample.tensors is not None:
        found = [tensor_of(value, name) for name, value in sample.tensors.items()]
        return None if None in found else [item for item in found if item is not None]
    tensor = tensor_of(sample.rows)
    return None if tensor is None else [tensor]


def tensor_of(value: Any, name: str | None = None) -> dict[str, Any] | None:
    """A tensor of a signature for an array whose first length may vary; None for no even array.

    Of doubles, for the same reason as columns.
    """
    shape = _shape(value)
    if not shape:
        return None
    spec = {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, *shape[1:]]}}
    return {"name": name, **spec} if name is not None else spec


def outputs_of(value: Any) -> list[dict[str, Any]] | None:
    """The outputs of a signature from a sample output; they document, nothing enforces them."""
    if isinstance(value, Mapping) and set(value) == {"predictions"}:
        value = value["predictions"]
    tensor = tensor_of(value) if isinstance(value, list) else None
    return None if tensor is None else [tensor]
