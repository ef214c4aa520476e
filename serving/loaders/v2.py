"""The Open Inference Protocol, version 2, over JSON: its tensors as MLflow payloads and back.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from serving.contract import ReplicaConfig
from serving.errors import ServingError, bad_input
from serving.loaders import encode
from serving.loaders.merge import is_frame
from serving.loaders.signature import Input, Signature
from serving.payload import Form

DATATYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
NAMES = {name: datatype for datatype, name in DATATYPES.items()}
MAX_SIDES = 32  # of a shape: what every NumPy holds
UNNAMED_INPUT, UNNAMED_OUTPUT = "input-0", "output-0"


class Question(NamedTuple):
    """What of a request its answer repeats or heeds."""

    identity: str | None
    outputs: tuple[str, ...]  # names asked for; empty: all


class Tensor(NamedTuple):
    """One input of a request, checked: as many values as its shape says, each of its datatype."""

    name: str
    shape: list[int]
    values: list[Any]  # flat, in C order

    def nested(self) -> Any:
        """Return the values as lists in lists."""
        return np.array(self.values, dtype=object).reshape(self.shape).tolist()


def read(document: dict[str, Any], signature: Signature | None) -> tuple[Form, Question]:
    """Return the MLflow payload that an inference request means.

    A model with columns takes one tensor per column, or one of two dimensions, rows by columns.

    Raises:
        ServingError: 400 that names the input and what is wrong with it.
    """
    given = document.get("inputs")
    if not isinstance(given, list) or not given:
        raise bad_input("'inputs' must be a list of one tensor at least.")
    tensors = [_tensor(entry, place) for place, entry in enumerate(given)]
    names = [tensor.name for tensor in tensors]
    if len(set(names)) != len(names):
        raise bad_input("Two inputs have one name.")
    key, value = _payload(tensors, signature)
    return Form(key, value, _params(document), wrapped=False), _question(document)


def _params(document: dict[str, Any]) -> dict[str, Any] | None:
    parameters = document.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise bad_input("'parameters' must be an object.")
    return parameters or None


def _question(document: dict[str, Any]) -> Question:
    identity, outputs = document.get("id"), document.get("outputs") or []
    if identity is not None and not isinstance(identity, str):
        raise bad_input("'id' must be a text.")
    if not isinstance(outputs, list) or any(
        not isinstance(entry, dict) or not isinstance(entry.get("name"), str) for entry in outputs
    ):
        raise bad_input("'outputs' must be a list of objects with a 'name'.")
    return Question(identity, tuple(entry["name"] for entry in outputs))


def _tensor(entry: Any, place: int) -> Tensor:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise bad_input(f"Input {place} must be an object with a 'name'.")
    name, shape, datatype = entry["name"], entry.get("shape"), entry.get("datatype")
    label = f"Input {name[:100]!r}"
    if not isinstance(shape, list) or not shape or not all(map(_is_side, shape)):
        raise bad_input(f"{label}: 'shape' must be a list of whole numbers, such as [1, 10].")
    if len(shape) > MAX_SIDES:
        raise bad_input(f"{label}: 'shape' must not have more than {MAX_SIDES} sides.")
    if 0 in shape:
        raise bad_input(f"{label} holds no values: its shape is {shape}.")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise bad_input(f"{label}: 'datatype' must be one of {', '.join(DATATYPES)}.")
    if not isinstance(entry.get("data"), list):
        raise bad_input(f"{label}: 'data' must be a list; binary data is not read here.")
    values = _flat(entry["data"])
    if len(values) != math.prod(shape):
        wanted = math.prod(shape)
        raise bad_input(f"{label}: shape {shape} means {wanted} values; 'data' has {len(values)}.")
    wrong = _first_wrong(values, datatype)
    if wrong is not None:
        raise bad_input(f"{label}: value {wrong} of 'data' is no {datatype}.")
    return Tensor(name, shape, values)


def _is_side(side: Any) -> bool:
    return type(side) is int and 0 <= side < 2**31


def _flat(values: list[Any]) -> list[Any]:
    if not any(isinstance(value, list) for value in values):
        return values
    found: list[Any] = []
    stack = [iter(values)]
    while stack:
        for value in stack[-1]:
            if isinstance(value, list):
                stack.append(iter(value))
                break
            found.append(value)
        else:
            stack.pop()
    return found


def _first_wrong(values: list[Any], datatype: str) -> int | None:
    if datatype == "BYTES":
        allowed: tuple[type, ...] = (str,)
    elif datatype == "BOOL":
        allowed = (bool,)
    elif datatype.startswith("FP"):
        allowed = (float, int, type(None))
    else:
        return _first_out_of_range(values, np.iinfo(DATATYPES[datatype]))
    if {type(value) for value in values} <= set(allowed):
        return None
    return next(place for place, value in enumerate(values) if type(value) not in allowed)


def _first_out_of_range(values: list[Any], bounds: Any) -> int | None:
    low, high = int(bounds.min), int(bounds.max)
    for place, value in enumerate(values):
        if type(value) is not int or not low <= value <= high:
            return place
    return None


def _payload(tensors: list[Tensor], signature: Signature | None) -> tuple[str, Any]:
    first = tensors[0]
    if signature is None or signature.tensors:
        lone = len(tensors) == 1 and not (signature and signature.named)
        return "inputs", first.nested() if lone else {t.name: t.nested() for t in tensors}
    names = signature.names
    table = len(tensors) == 1 and len(first.shape) == 2
    if table and (first.name not in names or first.shape[1] > 1):
        if first.shape[1] != len(names):
            wanted, got = len(names), first.shape[1]
            text = f"Input {first.name!r} has {got} columns; the model takes {wanted}"
            raise bad_input(f"{text}: {', '.join(map(repr, names))}.")
        rows = {"data": first.nested()}
        return "dataframe_split", {"columns": names, **rows} if signature.named else rows
    return "inputs", {tensor.name: _column(tensor) for tensor in tensors}


def _column(tensor: Tensor) -> list[Any]:
    if len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.shape[1] != 1):
        raise bad_input(
            f"Input {tensor.name!r} is a column: its shape must be [rows] or [rows, 1]."
        )
    return tensor.values


def answer(config: ReplicaConfig, question: Question, raw: Any, outputs: Signature | None) -> bytes:
    """Return the inference response for a model's result.

    Raises:
        ServingError: 400 when an output is asked for that the model does not have.
        TypeError: for a result that cannot be written as tensors.
    """
    named = _named(raw, outputs)
    if question.outputs:
        absent = [name for name in question.outputs if name not in named]
        if absent:
            known = ", ".join(map(repr, named))
            raise ServingError(400, f"There is no output {absent[0][:100]!r}; there is {known}.")
        named = {name: named[name] for name in question.outputs}
    document: dict[str, Any] = {
        "model_name": config["model_name"],
        "model_version": config["model_version"],
    }
    if question.identity is not None:
        document["id"] = question.identity
    document["outputs"] = [_output(name, values) for name, values in named.items()]
    return encode.dumps(document)


def _named(raw: Any, outputs: Signature | None) -> dict[str, Any]:
    if is_frame(raw):
        return {str(name): raw[name].to_numpy() for name in raw.columns}
    if isinstance(raw, dict):
        return {str(name): np.asarray(values) for name, values in raw.items()}
    name = outputs.inputs[0].name if outputs and len(outputs.inputs) == 1 else None
    return {name or UNNAMED_OUTPUT: _array(raw)}


def _array(raw: Any) -> Any:
    raw = raw.to_numpy() if hasattr(raw, "to_numpy") else raw
    try:
        found = np.asarray(raw)
    except ValueError:  # rows of different lengths
        found = np.empty(len(raw), dtype=object)
        found[:] = raw
    return found if found.ndim else found.reshape(1)


def _output(name: str, values: Any) -> dict[str, Any]:
    datatype = NAMES.get(values.dtype.name, "BYTES")
    cells = values.ravel().tolist()
    if datatype == "BYTES":
        cells = [cell if isinstance(cell, str) else encode.text(cell) for cell in cells]
    elif datatype.startswith("FP") and not np.isfinite(values).all():
        cells = [cell if math.isfinite(cell) else None for cell in cells]  # JSON has no NaN
    return {"name": name, "shape": list(values.shape), "datatype": datatype, "data": cells}


def metadata(
    config: ReplicaConfig, inputs: Signature | None, outputs: Signature | None
) -> dict[str, Any]:
    """Return the model metadata response."""
    return {
        "name": config["model_name"],
        "versions": [config["model_version"]],
        "platform": "mlflow",
        "inputs": [_described(s, UNNAMED_INPUT, k) for k, s in enumerate(_specs(inputs))],
        "outputs": [_described(s, UNNAMED_OUTPUT, k) for k, s in enumerate(_specs(outputs))],
    }


def _specs(signature: Signature | None) -> tuple[Input, ...]:
    return signature.inputs if signature else ()


def _described(spec: Input, unnamed: str, place: int) -> dict[str, Any]:
    name = spec.name or f"{unnamed[:-1]}{place}"
    datatype = NAMES.get(spec.dtype, "BYTES")
    shape = list(spec.shape) if spec.type == "tensor" else [-1]
    return {"name": name, "datatype": datatype, "shape": shape}
