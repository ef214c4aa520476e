"""A model's signature, as MLmodel writes it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from serving.explain import Column

NUMPY_TYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "binary": "bytes",
    "datetime": "datetime64[ns]",
}
PANDAS_TYPES = {**NUMPY_TYPES, "string": "object", "binary": "object"}


class Input(NamedTuple):
    """One column or one tensor; `name` is None where the signature names none."""

    name: str | None
    type: str  # MLflow's word for a column: "double"; "tensor"
    required: bool
    dtype: str  # NumPy's name: "float64"
    shape: tuple[int, ...]  # of a tensor, -1 where any length is meant; () of a column


class Signature(NamedTuple):
    """The inputs (or outputs) of a model."""

    inputs: tuple[Input, ...]

    @property
    def tensors(self) -> bool:
        """Whether the inputs are tensors; else they are columns of a table."""
        return self.inputs[0].type == "tensor"

    @property
    def named(self) -> bool:
        """Whether the inputs have names."""
        return self.inputs[0].name is not None

    @property
    def names(self) -> list[Any]:
        """The names, or places where there are none."""
        return [spec.name or place for place, spec in enumerate(self.inputs)]

    def by_name(self) -> dict[str, Input]:
        """Return the inputs by name; empty where there are no names."""
        return {spec.name: spec for spec in self.inputs if spec.name is not None}

    def columns(self) -> list[Column]:
        """Return the named columns; empty for tensors and for columns without names."""
        if self.tensors or not self.named:
            return []
        return [Column(str(spec.name), spec.type, spec.required) for spec in self.inputs]


def read_signature(text: str | None) -> Signature | None:
    """Return the signature in MLmodel's `signature.inputs` (or outputs), None when there is none.

    Raises ValueError or KeyError for what is no such list.
    """
    if not text:
        return None
    specs = json.loads(text)
    return Signature(tuple(_input(spec) for spec in specs)) if specs else None


def _input(spec: dict[str, Any]) -> Input:
    name, kind = spec.get("name"), spec["type"]
    if kind == "tensor":
        tensor = spec["tensor-spec"]
        return Input(name, kind, required=True, dtype=tensor["dtype"], shape=(*tensor["shape"],))
    dtype = NUMPY_TYPES.get(kind, "object")
    return Input(name, kind, bool(spec.get("required", True)), dtype, ())
