"""Input examples as forms and back: one row of a scoring body. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

INTEGERS = frozenset({"long", "integer"})
NUMBERS = frozenset({"double", "float"})
TEXTS = frozenset({"string", "datetime"})
FORM_TYPES = INTEGERS | NUMBERS | TEXTS | {"boolean"}
MAX_FIELDS = 200  # above, a form helps nobody
FALLBACK = {"inputs": [[0.0]]}


@dataclass(frozen=True)
class Field:
    """One column of the model's input as a form field. `value` is text; "" when there is none."""

    position: int
    name: str
    type: str
    required: bool
    value: str = ""
    error: str = ""

    @property
    def key(self) -> str:
        """Name of the form control; column names may hold anything."""
        return f"column-{self.position}"

    @property
    def is_number(self) -> bool:
        return self.type in INTEGERS | NUMBERS

    @property
    def step(self) -> str:
        return "1" if self.type in INTEGERS else "any"


def columns(signature: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Columns of a signature's inputs; empty for tensors and when there is no signature.

    Args:
        signature: MLflow's `ModelSignature.to_dict()`; `inputs` may be JSON text or the list.
    """
    inputs = (signature or {}).get("inputs") or []
    if isinstance(inputs, str):
        try:
            inputs = json.loads(inputs)
        except ValueError:
            return []
    if not isinstance(inputs, list):
        return []
    named = [item for item in inputs if isinstance(item, Mapping) and item.get("name") is not None]
    return [dict(item) for item in named] if len(named) == len(inputs) else []


def form_fields(
    signature: Mapping[str, Any] | None, example: Mapping[str, Any] | None
) -> list[Field]:
    """A field per column, filled with the first row of the example.

    Empty when a form cannot hold the input: tensors, nested or too many columns, no signature.
    """
    found = columns(signature)
    if not 0 < len(found) <= MAX_FIELDS or any(
        item.get("type") not in FORM_TYPES for item in found
    ):
        return []
    row = first_row(example)
    return [
        Field(
            position=position,
            name=str(item["name"]),
            type=str(item["type"]),
            required=bool(item.get("required", True)),
            value=_as_text(row.get(str(item["name"]))),
        )
        for position, item in enumerate(found)
    ]


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def first_row(example: Mapping[str, Any] | None) -> dict[str, Any]:
    """Column -> value of the first row of a scoring body; empty when rows have no column names."""
    body = example or {}
    split = body.get("dataframe_split")
    if isinstance(split, Mapping):
        data = split.get("data") or [[]]
        return dict(zip(map(str, split.get("columns") or []), data[0], strict=False))
    for key in ("dataframe_records", "instances", "inputs"):
        value = body.get(key)
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return {str(name): item for name, item in value[0].items()}
        if isinstance(value, Mapping):
            return {
                str(name): item[0] if isinstance(item, list) and item else item
                for name, item in value.items()
            }
    return {}


def one_row(example: Mapping[str, Any] | None) -> dict[str, Any]:
    """The same body with its first row alone, short enough to read; never empty."""
    body: dict[str, Any] = _clean(dict(example or FALLBACK))
    split = body.get("dataframe_split")
    if isinstance(split, Mapping) and isinstance(split.get("data"), list):
        kept = {key: value for key, value in split.items() if key != "index"}
        return {**body, "dataframe_split": {**kept, "data": split["data"][:1]}}
    for key in ("dataframe_records", "instances", "inputs"):
        value = body.get(key)
        if isinstance(value, list):
            return {**body, key: value[:1]}
        if isinstance(value, Mapping) and all(isinstance(item, list) for item in value.values()):
            return {**body, key: {name: item[:1] for name, item in value.items()}}
    return body


def _clean(value: Any) -> Any:
    """NaN and infinity are not JSON; null is what MLflow reads as missing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def parse_form(
    fields: list[Field], posted: Mapping[str, str]
) -> tuple[dict[str, Any], list[Field]]:
    """Build the scoring body from a posted form.

    Returns:
        The body (`dataframe_split`, one row), and the fields as typed; those with an `error`
        could not be read, and the body must then not be sent.
    """
    names: list[str] = []
    values: list[Any] = []
    filled: list[Field] = []
    for field in fields:
        text = str(posted.get(field.key, ""))
        value, error = _parse(field, text)
        filled.append(Field(field.position, field.name, field.type, field.required, text, error))
        names.append(field.name)
        values.append(value)
    return {"dataframe_split": {"columns": names, "data": [values]}}, filled


def _parse(field: Field, text: str) -> tuple[Any, str]:
    if text.strip() == "" and field.type != "string":
        return None, _("Enter a value.") if field.required else ""
    try:
        if field.type in INTEGERS:
            return int(text), ""
        if field.type in NUMBERS:
            number = float(text)
            return (number, "") if math.isfinite(number) else (None, _("Enter a finite number."))
    except ValueError:
        whole = field.type in INTEGERS
        return None, _("Enter a whole number.") if whole else _("Enter a number.")
    if field.type == "boolean":
        return text == "true", ""
    return text, ""


def refill(fields: list[Field], row: Mapping[str, Any]) -> list[Field]:
    """The same fields with the values of a row; a column that it lacks is empty."""
    return [replace(field, value=_as_text(row.get(field.name)), error="") for field in fields]
