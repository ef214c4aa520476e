"""Why an input was refused, naming the column, row and value that MLflow's message leaves out.

Used only after MLflow refused the input, so it decides nothing: no explanation, no harm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

INTEGER_BITS = {"integer": 32, "long": 64}


class Column(NamedTuple):
    """One named column of the model's signature; `type` is MLflow's word, such as "double"."""

    name: str
    type: str
    required: bool


def explain(source: tuple[str, Any] | None, columns: list[Column]) -> str | None:
    """Return the first fault found in a payload (MLflow's key, its JSON value), or None."""
    if source is None or not columns:
        return None
    key, value = source
    if key == "dataframe_split":
        return _split(value, columns)
    if isinstance(value, dict):
        return _by_column(value, columns)
    if isinstance(value, list) and any(isinstance(row, dict) for row in value):
        return _records(value, columns)
    wanted = ", ".join(repr(column.name) for column in columns)
    return f"{key!r} has no column names; the model takes named columns: {wanted}."


def _split(value: Any, columns: list[Column]) -> str | None:
    if not isinstance(value, dict):
        return "'dataframe_split' must be an object with 'columns' and 'data'."
    unknown = [key for key in value if key not in ("columns", "index", "data")]
    if unknown:
        return f"Unknown key {_names(unknown)}; expected 'columns', 'index' and 'data'."
    names, rows = value.get("columns"), value.get("data")
    if not isinstance(rows, list):
        return "'data' must be a list of rows."
    if not isinstance(names, list):
        return "'columns' must be a list of names: " + ", ".join(c.name for c in columns) + "."
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            return f"Row {number} of 'data' must be a list of values."
        if len(row) != len(names):
            return f"Row {number} has {len(row)} values, but there are {len(names)} columns."
    missing = _missing(names, columns)
    if missing:
        return missing
    positions = {name: place for place, name in enumerate(names) if isinstance(name, str)}
    for column in columns:
        if column.name in positions:
            cells = [row[positions[column.name]] for row in rows]
            fault = _wrong_cell(column, cells)
            if fault:
                return fault
    return None


def _records(rows: list[Any], columns: list[Column]) -> str | None:
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            return f"Row {number} must be an object of column names and values."
    names = {name for row in rows for name in row}
    fault = _missing(list(names), columns)
    if fault:
        return fault
    for column in columns:
        fault = _wrong_cell(column, [row.get(column.name) for row in rows])
        if fault:
            return fault
    return None


def _by_column(value: dict[str, Any], columns: list[Column]) -> str | None:
    fault = _missing(list(value), columns)
    if fault:
        return fault
    for column in columns:
        cells = value.get(column.name)
        if isinstance(cells, list):
            fault = _wrong_cell(column, cells)
            if fault:
                return fault
    lengths = {c.name: len(value[c.name]) for c in columns if isinstance(value.get(c.name), list)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        return f"Columns differ in length: {shown}."
    return None


def _missing(names: list[Any], columns: list[Column]) -> str | None:
    absent = [column.name for column in columns if column.required and column.name not in names]
    if not absent:
        return None
    known = {column.name for column in columns}
    extra = [name for name in names if not isinstance(name, str) or name not in known]
    also = f" There is an unknown column {_names(extra)}." if extra else ""
    return f"Missing column{'s' * (len(absent) > 1)} {_names(absent)}.{also}"


def _names(names: list[Any]) -> str:
    shown = ", ".join(repr(name)[:100] for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _wrong_cell(column: Column, cells: list[Any]) -> str | None:
    for row, cell in enumerate(cells):
        if cell is None:
            if column.required and column.type in ("integer", "long", "boolean"):
                return f"Missing value in column '{column.name}' (row {row})."
        elif not fits(cell, column.type):
            got = f"{_kind(cell)} {str(cell)[:40]!r}" if isinstance(cell, str) else _kind(cell)
            return (
                f"Wrong type for column '{column.name}' (row {row}): "
                f"expected {column.type}, got {got}."
            )
    return None


def _kind(cell: Any) -> str:
    if isinstance(cell, bool):
        return "a boolean"
    if isinstance(cell, int):
        return "an integer out of range" if abs(cell) >= 2**63 else "an integer"
    names = {float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(cell), type(cell).__name__)


def fits(cell: Any, kind: str) -> bool:
    """Return whether a JSON value may be meant for a column of MLflow type `kind`."""
    if kind in INTEGER_BITS:
        limit = 2 ** (INTEGER_BITS[kind] - 1)
        whole = isinstance(cell, int) and not isinstance(cell, bool)
        return whole and -limit <= cell < limit
    if kind in ("double", "float"):
        return _is_number(cell)
    if kind in ("string", "binary"):
        return isinstance(cell, str)
    if kind == "boolean":
        return isinstance(cell, bool)
    return not isinstance(cell, (list, dict)) if kind == "datetime" else True


def _is_number(cell: Any) -> bool:
    if isinstance(cell, (list, dict)):
        return False
    try:
        float(cell)
    except (ValueError, OverflowError):
        return False
    return True
