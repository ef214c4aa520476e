"""From a model's result to JSON: the values that MLflow's scoring server writes.

Rules of mlflow.utils.proto_json_utils (Apache License 2.0): frames as records, arrays as lists,
bytes as base64, times in ISO 8601, NaN as NaN. White space may differ.
"""

from __future__ import annotations

import base64
import datetime
import json
import sys
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from serving.loaders.merge import Records
from serving.loaders.quick import ORJSON


def jsonable(raw: Any) -> Any:
    """Return frames, series and arrays at the top as lists; anything else as it is."""
    if isinstance(raw, np.ndarray):
        return raw.tolist()
    if isinstance(raw, Records):
        lists = [column.tolist() for column in raw.values()]
        return [dict(zip(raw, row)) for row in zip(*lists)]  # noqa: B905  # Python 3.9
    pd = sys.modules.get("pandas")
    if pd is not None and isinstance(raw, pd.Series):
        raw = pd.DataFrame(raw)
    if pd is not None and isinstance(raw, pd.DataFrame):
        return raw.to_dict(orient="records")
    return raw


def dumps(value: Any) -> bytes:
    """Return what `jsonable` gave as JSON text.

    Raises TypeError for what JSON cannot hold, such as a set.
    """
    if type(value) is dict:
        value = {n: v.tolist() if _is_simple(v) else v for n, v in value.items()}
    quick = _quick(value) if ORJSON is not None and type(value) in (list, dict) else None
    if quick is not None:
        return quick
    return json.dumps(value, default=_default).encode("ascii")


def _is_simple(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiubU"


def each(raw: Any, counts: Sequence[int]) -> list[bytes] | None:
    """Return the JSON of a result's parts of `counts` items, where it is a flat array of numbers.

    One list is written and cut at its commas: many small answers for the price of one.
    """
    if not isinstance(raw, np.ndarray) or raw.ndim != 1 or raw.dtype.kind not in "fiub":
        return None
    if len(raw) != sum(counts):
        return None
    items = dumps(raw.tolist())[1:-1].split(b",")
    if len(items) == len(counts):
        return [b"[" + item + b"]" for item in items]
    ends = list(accumulate(counts))
    spans = zip([0, *ends], ends)  # noqa: B905  # Python 3.9
    return [b"[" + b",".join(items[start:end]) + b"]" for start, end in spans]


def text(value: Any) -> str:
    """Return one value as JSON text."""
    return json.dumps(value, default=_default)


def _quick(values: Any) -> bytes | None:
    """Return lists or records of numbers or texts by orjson, else None."""
    flat: Any = values
    while type(flat) in (list, dict) and flat:
        flat = flat[0] if type(flat) is list else next(iter(flat.values()))
    if type(flat) not in (float, int, bool, str, list, dict):
        return None
    try:
        text: bytes = ORJSON.dumps(values, option=ORJSON.OPT_PASSTHROUGH_DATETIME)
    except TypeError:  # integers beyond 64 bits, lone surrogates, other types further on
        return None
    # orjson writes null for NaN and infinity, where MLflow's answer has NaN.
    return None if b"null" in text else text


def _default(value: Any) -> Any:
    found, converted = _convert(value)
    if converted:
        return found
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _convert(value: Any) -> tuple[Any, bool]:
    if isinstance(value, np.ndarray):
        if value.dtype == object and value.ndim:
            return [_convert(item)[0] for item in value.tolist()], True
        if value.dtype == np.bytes_:
            return np.vectorize(_base64)(value), True
        return value.tolist(), True
    if isinstance(value, np.generic):
        return value.item(), True
    if isinstance(value, (bytes, bytearray)):
        return _base64(value), True
    if isinstance(value, (datetime.date, datetime.datetime, datetime.time)):  # also a Timestamp
        return value.isoformat(), True
    return value, False


def _base64(value: bytes | bytearray) -> str:
    return base64.encodebytes(value).decode("ascii")
