"""Turns a signature, which anybody may have written, into rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

MAX_ROWS = 200


@dataclass(frozen=True)
class ColumnRow:
    """One column, tensor or parameter. `note` says optional, or the parameter's default."""

    name: str
    type: str
    note: str


@dataclass(frozen=True)
class SignaturePart:
    """Inputs, outputs or parameters; `more` counts the rows that are not shown."""

    label: str
    rows: tuple[ColumnRow, ...]
    more: int


def signature_parts(signature: Mapping[str, Any] | None) -> list[SignaturePart]:
    """The parts that a signature has, in reading order."""
    labels = {"inputs": _("Inputs"), "outputs": _("Outputs"), "params": _("Parameters")}
    parts = []
    for key, label in labels.items():
        columns = (signature or {}).get(key)
        if isinstance(columns, list) and columns:
            rows = tuple(_row(item, number) for number, item in enumerate(columns[:MAX_ROWS]))
            parts.append(SignaturePart(label, rows, max(len(columns) - MAX_ROWS, 0)))
    return parts


def type_text(column: Mapping[str, Any]) -> str:
    """ "double", "float64 (-1, 28, 28)", "array of string", "object {a, b}"."""
    kind = column.get("type", "")
    if kind == "tensor":
        spec = column.get("tensor-spec")
        spec = spec if isinstance(spec, Mapping) else {}
        shape = spec.get("shape")
        sizes = ", ".join(str(item) for item in shape) if isinstance(shape, list) else "?"
        return f"{spec.get('dtype', '?')} ({sizes})"
    if kind == "array" and isinstance(column.get("items"), Mapping):
        return _("array of %(type)s") % {"type": type_text(column["items"])}
    if kind == "object" and isinstance(column.get("properties"), Mapping):
        return f"object {{{', '.join(map(str, column['properties']))}}}"
    return str(kind)[:200]


def _row(column: Mapping[str, Any], number: int) -> ColumnRow:
    name = column.get("name")
    note = ""
    if "default" in column:
        note = _("default %(value)s") % {"value": column["default"]}
    elif column.get("required") is False or column.get("optional") is True:
        note = _("optional")
    return ColumnRow(str(name) if name is not None else f"[{number}]", type_text(column), note)
