"""From a payload to what the signature is enforced on, as MLflow 3.17's scoring server reads it.

The rules are MLflow's (mlflow.utils.proto_json_utils, mlflow.pyfunc.scoring_server), Apache License
2.0: which values become which types. Wrong input raises `Refused` or a ValueError of pandas.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from serving.loaders.enforce import Refused, pandas
from serving.loaders.signature import PANDAS_TYPES, Input, Signature


def read_json(key: str, value: Any, signature: Signature) -> Any:
    """Return the frame, arrays or scalars that a JSON payload means.

    Args:
        key: dataframe_split, dataframe_records, instances or inputs.
        value: its JSON value.
        signature: the model's inputs.
    """
    if key == "dataframe_split":
        return _cast(_split(value), signature)
    if key == "dataframe_records":
        return _cast(_records(value), signature)
    if key == "instances" and isinstance(value, list) and value and isinstance(value[0], dict):
        return _same_lengths(_instances(value, signature), signature)
    data = _tensors(value, signature)
    if key == "instances" and isinstance(data, dict):
        return _same_lengths(data, signature)
    return data


def read_csv(body: bytes, signature: Signature) -> Any:
    """Return the frame in a CSV body with a line of names; raises UnicodeDecodeError, Refused."""
    text = body.decode("utf-8")
    if signature.tensors:
        raise Refused("This model takes tensors: send JSON, not CSV.")
    types = {
        name: np.dtype(PANDAS_TYPES[spec.type])
        for name, spec in zip(signature.names, signature.inputs)  # noqa: B905  # Python 3.9
    }
    return pandas().read_csv(io.StringIO(text), dtype=types)


def read_parquet(body: bytes) -> Any:
    """Return the frame in a Parquet body; raises ImportError where nothing can read it."""
    return pandas().read_parquet(io.BytesIO(body))


def _split(value: Any) -> Any:
    if not isinstance(value, dict):
        raise Refused("'dataframe_split' must be an object with 'columns' and 'data'.")
    unknown = sorted(set(value) - {"columns", "index", "data"})
    if unknown or "data" not in value:
        raise Refused("'dataframe_split' takes 'data', and 'columns' and 'index' if need be.")
    frame = pandas().DataFrame
    return frame(index=value.get("index"), columns=value.get("columns"), data=value["data"])


def _records(value: Any) -> Any:
    if not isinstance(value, list):
        raise Refused("'dataframe_records' must be a list of objects.")
    return pandas().DataFrame(data=value)


def _cast(frame: Any, signature: Signature) -> Any:
    """Return the frame with its columns in the signature's types, as far as JSON lost them."""
    given = set(frame.columns)
    if signature.named:
        specs = dict(zip(signature.names, signature.inputs))  # noqa: B905  # Python 3.9
    elif signature.tensors:
        specs = dict.fromkeys(given, signature.inputs[0])
    else:
        specs = dict(zip(frame.columns, signature.inputs))  # noqa: B905  # the shorter one decides
    for name, spec in specs.items():
        if name in given:
            try:
                _cast_column(frame, name, spec)
            except Exception as error:
                wanted = spec.dtype if signature.tensors else spec.type
                raise Refused(f"Column {name!r} cannot be read as {wanted}: {error}") from error
    return frame


def _cast_column(frame: Any, name: Any, spec: Input) -> None:
    pd = pandas()
    values = frame[name]
    if spec.type == "binary":
        frame[name] = values.map(lambda cell: base64.decodebytes(bytes(cell, "utf8")))
    elif spec.type == "tensor" and np.dtype(spec.dtype).kind == "S":
        frame[name] = values.map(lambda cell: bytes(cell, "utf8"))
    elif spec.type == "tensor" and isinstance(values.iloc[0], list):
        pass  # lists become arrays when the signature is enforced
    elif spec.type == "datetime":
        parsed = pd.to_datetime(values)
        if pd.api.types.is_datetime64_any_dtype(parsed) and hasattr(parsed.dt, "unit"):
            parsed = parsed.dt.as_unit("ns")
        frame[name] = parsed
    else:
        wanted = np.dtype(PANDAS_TYPES.get(spec.type, spec.dtype))
        if wanted.kind in "OU" and isinstance(values.dtype, pd.StringDtype):
            return
        frame[name] = values.astype(wanted)


def _instances(rows: list[Any], signature: Signature) -> dict[str, Any]:
    specs = signature.by_name()
    columns: dict[str, list[Any]] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise Refused("Each instance must be an object, as the first one is.")
        for name, value in row.items():
            columns.setdefault(name, []).append(_convert(value, specs.get(name)))
    return {name: np.array(values) for name, values in columns.items()}


def _same_lengths(data: dict[str, Any], signature: Signature) -> dict[str, Any]:
    checked = {n: len(v) for n, v in data.items() if isinstance(v, (list, np.ndarray))}
    if signature.named:
        required = {spec.name for spec in signature.inputs if spec.required}
        checked = {name: length for name, length in checked.items() if name in required}
    if len(set(checked.values())) > 1:
        shown = ", ".join(f"{name!r} has {length}" for name, length in checked.items())
        raise Refused(f"The inputs differ in length: {shown}.")
    return data


def _tensors(value: Any, signature: Signature) -> Any:
    specs = signature.by_name()
    if len(specs) == 1 and isinstance(value, list) and not any(isinstance(x, dict) for x in value):
        value = {next(iter(specs)): value}
    elif not signature.named and not isinstance(value, list) and not np.isscalar(value):
        raise Refused("The model's input has no name: send a list or a single value.")
    if isinstance(value, dict):
        return {name: _convert(cells, specs.get(name)) for name, cells in value.items()}
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return [{n: _convert(cell, specs.get(n)) for n, cell in row.items()} for row in value]
    return _convert(value, signature.inputs[0])


def _convert(value: Any, spec: Input | None) -> Any:
    """Return a JSON value as an array, or a scalar of a column's type."""
    if spec is None:
        return np.array(value)
    try:
        if spec.type == "tensor" or isinstance(value, list):
            return np.array(value, dtype=spec.dtype)
        return np.array([value], dtype=spec.dtype)[0]
    except Exception as error:
        wanted = spec.dtype if spec.type == "tensor" else spec.type
        name = f"{spec.name!r}" if spec.name else "The input"
        raise Refused(f"{name} cannot be read as {wanted}: {error}") from error
