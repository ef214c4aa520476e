"""A model's signature enforced on parsed input, as MLflow 3.17 does it (mlflow.models.utils).

The rules are MLflow's, Apache License 2.0: which conversions are safe, which input is refused.
What is refused raises `Refused`; the frame, array or dictionary returned is what MLflow would
predict on.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from serving.loaders.signature import NUMPY_TYPES, PANDAS_TYPES, Input, Signature

FLAT_STRING = np.dtype("str")


class Refused(ValueError):
    """Input that the signature does not allow; the message names the field."""


def pandas() -> Any:
    """Return pandas, imported when it is first needed: arrays alone do without."""
    return importlib.import_module("pandas")


def enforce(data: Any, signature: Signature) -> Any:
    """Return `data` as the signature wants it.

    Args:
        data: a frame, an array, a dictionary of arrays or scalars, a list of records, or a scalar.
        signature: the model's inputs.

    Returns:
        A frame for columns; an array or a dictionary of arrays for tensors.

    Raises:
        Refused: for what MLflow refuses; other errors of pandas and NumPy for stranger input.
    """
    if signature.tensors:
        return _tensors(data, signature)
    frame = _as_frame(data)
    if signature.named:
        _refuse_missing(set(frame.columns), signature)
        return _named_columns(frame, signature)
    if len(frame.columns) < len(signature.inputs):
        wanted, got = len(signature.inputs), len(frame.columns)
        raise Refused(f"The model takes {wanted} columns; the input has {got}.")
    names = list(frame.columns[: len(signature.inputs)])
    return pandas().DataFrame(
        {
            name: as_type(name, frame[name], spec.type)
            for name, spec in zip(names, signature.inputs)  # noqa: B905  # Python 3.9
        }
    )


def _as_frame(data: Any) -> Any:
    pd = pandas()
    if isinstance(data, pd.DataFrame):
        return data
    if np.isscalar(data):
        return pd.DataFrame([data])
    if isinstance(data, dict):
        return _frame_of_columns(data)
    if isinstance(data, (list, np.ndarray)):
        return pd.DataFrame(data)
    raise Refused(f"Expected a table, got {type(data).__name__}.")


def _frame_of_columns(data: dict[str, Any]) -> Any:
    pd = pandas()
    values = list(data.values())
    if all(np.isscalar(value) or value is None for value in values):
        return pd.DataFrame([data])
    try:
        if all(isinstance(v, np.ndarray) and v.dtype.kind == "U" and v.shape == () for v in values):
            return pd.DataFrame([data])
        # A column of lists is refused later, by name; a frame cannot be made of deeper arrays.
        flat = {
            name: value.tolist() if isinstance(value, np.ndarray) and value.ndim > 1 else value
            for name, value in data.items()
        }
        return pd.DataFrame(flat)
    except Exception as error:
        raise Refused(f"The input cannot be read as a table: {error}") from error


def _refuse_missing(given: set[Any], signature: Signature) -> None:
    known = set(signature.names)
    missing = [spec.name for spec in signature.inputs if spec.required and spec.name not in given]
    if missing:
        extra = sorted(map(str, given - known))
        also = f" Unknown: {', '.join(extra)}." if extra else ""
        raise Refused(f"Missing input {', '.join(map(repr, missing))}.{also}")


def _named_columns(frame: Any, signature: Signature) -> Any:
    pd = pandas()
    columns = {}
    for spec in signature.inputs:
        if spec.name not in frame:
            continue  # an optional one
        values = frame[spec.name]
        if isinstance(values, pd.DataFrame):
            raise Refused(f"Column {spec.name!r} is given more than once.")
        columns[spec.name] = as_type(spec.name, values, spec.type)
    return pd.DataFrame(columns)


def as_type(name: Any, values: Any, kind: str) -> Any:
    """Return a pandas Series converted to a column type where that loses nothing.

    Allowed: an equal type; a smaller number of the same kind; 32-bit integers to double; 64-bit
    integers that are all 0 or 1 to float and double; datetimes of any precision; objects to string,
    binary, boolean as they are, and to datetime and double where each can be read as such.

    Raises:
        Refused: for any other difference.
    """
    pd = pandas()
    if values.dtype == object and kind not in ("binary", "string"):
        values = values.infer_objects()
    text = isinstance(values.dtype, pd.StringDtype)
    if kind == "string" and (values.dtype == object or text):
        return values
    if kind == "binary" and (text or values.dtype.kind == "S"):
        return values
    wanted = np.dtype(PANDAS_TYPES[kind])
    if wanted == values.dtype or (kind == "string" and values.dtype == FLAT_STRING):
        return values
    if kind == "datetime" and (values.dtype.kind == "M" or values.dtype == object):
        return _as_datetime(name, values)
    if kind == "boolean" and values.dtype == object:
        return values  # a conversion would turn missing values into False
    if kind == "double" and values.dtype == object:  # meant for decimals; takes texts as well
        try:
            return pd.to_numeric(values, errors="raise")
        except (TypeError, ValueError) as error:
            raise Refused(f"Column {name!r} must be double: {error}") from error
    return _as_number(name, values, np.dtype(NUMPY_TYPES[kind]), kind)


def _as_datetime(name: Any, values: Any) -> Any:
    try:
        return values.astype(np.dtype("datetime64[ns]"))
    except (TypeError, ValueError) as error:
        text = f"Column {name!r} needs dates without a time zone: {error}"
        raise Refused(text) from error


def _as_number(name: Any, values: Any, wanted: np.dtype[Any], kind: str) -> Any:
    given = values.dtype
    if given.kind == wanted.kind:
        safe = given.itemsize <= wanted.itemsize
    elif given.kind == "u" and wanted.kind == "i":
        safe = given.itemsize < wanted.itemsize
    elif given.kind in ("i", "u") and wanted == np.float64:
        safe = given.itemsize <= 6
    else:
        safe = False
    if not safe and given == np.int64 and wanted.kind == "f":
        safe = bool(values.isin([0, 1]).all())
    if not safe:
        missing = (
            " It has missing values." if kind in ("integer", "long") and _holes(values) else ""
        )
        raise Refused(f"Column {name!r} must be {kind}; its values are {given}.{missing}")
    return values.astype(wanted)


def _holes(values: Any) -> bool:
    return bool(values.isna().any())


def _tensors(data: Any, signature: Signature) -> Any:
    pd_frame = type(data).__name__ == "DataFrame"
    if not signature.named:
        return _one_tensor(data, signature.inputs[0], is_frame=pd_frame)
    if isinstance(data, np.ndarray) and len(signature.inputs) == 1:
        data = {signature.inputs[0].name: data}
    if pd_frame:
        _refuse_missing(set(data.columns), signature)
        return {s.name: _from_column(s.name, data[s.name], s) for s in signature.inputs}
    if not isinstance(data, dict):
        wanted = ", ".join(map(repr, signature.names))
        raise Refused(f"The model takes named tensors: {wanted}.")
    _refuse_missing(set(data), signature)
    for spec in signature.inputs:
        if not isinstance(data[spec.name], np.ndarray):
            raise Refused(f"Tensor {spec.name!r} must be an array.")
    return {spec.name: checked(data[spec.name], spec) for spec in signature.inputs}


def _one_tensor(data: Any, spec: Input, *, is_frame: bool) -> Any:
    if not is_frame:
        if isinstance(data, np.ndarray):
            return checked(data, spec)
        raise Refused("The model takes one tensor: an array of numbers or texts.")
    if data.empty:
        raise Refused("The input holds no rows.")
    width = len(data.columns)
    if width == 1:
        return _from_column(None, data[data.columns[0]], spec)
    if spec.shape != (-1, width):
        shape = _shape(spec.shape)
        raise Refused(f"The model takes a tensor of shape {shape}; the table has {width} columns.")
    return checked(data.to_numpy(), spec)


def checked(values: Any, spec: Input) -> Any:
    """Return the array if its shape and type are the tensor's; raises Refused."""
    wanted = np.dtype(spec.dtype)
    shape, ragged = values.shape, values.ndim == 1 and values.dtype == object
    if spec.shape == (-1,) and wanted.kind == "O":
        return values
    if ragged and len(spec.shape) > 1 and -1 in spec.shape[1:]:
        return values
    name = f"Tensor {spec.name!r}" if spec.name else "The input"
    fits = len(shape) == len(spec.shape) and all(
        want in (-1, got)
        for want, got in zip(spec.shape, shape)  # noqa: B905  # Python 3.9
    )
    if not fits:
        raise Refused(f"{name} must have shape {_shape(spec.shape)}, got {_shape(shape)}.")
    if _without_size(values.dtype) != wanted:
        raise Refused(f"{name} must be of type {spec.dtype}, got {values.dtype}.")
    return values


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join("any" if side == -1 else str(side) for side in shape) + ")"


def _without_size(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "U":
        return FLAT_STRING
    return np.dtype(bytes) if dtype.kind == "S" else dtype


def _from_column(name: str | None, values: Any, spec: Input) -> Any:
    """Return a frame's column as a tensor: of scalars, of lists, or of arrays."""
    label = f"Column {name!r}" if name else "The input"
    if spec.shape[0] != -1 or -1 in spec.shape[1:]:
        text = f"{label} cannot be a tensor of shape {_shape(spec.shape)}; send 'inputs' instead."
        raise Refused(text)
    first = values[0]
    if np.isscalar(first):
        if spec.shape in ((-1,), (-1, 1)):
            return checked(np.array(values, dtype=spec.dtype).reshape(spec.shape), spec)
        raise Refused(f"{label} holds single values; its tensor has shape {_shape(spec.shape)}.")
    listed = isinstance(first, list) and np.isscalar(first[0])
    if not listed and not isinstance(first, np.ndarray):
        raise Refused(f"{label} must hold numbers, texts, or lists of them.")
    try:
        stacked = np.vstack(values.tolist()).reshape(spec.shape)
        stacked = stacked.astype(spec.dtype) if listed else stacked
    except ValueError as error:
        raise Refused(f"{label} does not fit the shape {_shape(spec.shape)}: {error}") from error
    if len(stacked) != len(values):
        raise Refused(f"{label} does not fit the shape {_shape(spec.shape)}.")
    return stacked if listed else checked(stacked, spec)
