"""JSON of what `run()` returns: Python's own types, NumPy's, pandas' and their kind."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any

MISSING = ("NAType", "NaTType")  # pandas' own; known by name, since pandas may not be there


def to_json(value: Any) -> bytes:
    """Return `value` as JSON text.

    A missing or infinite number becomes null: NaN, which v1 wrote, is no JSON. None as a whole
    becomes {}, as in v1. Raises TypeError or ValueError for what JSON cannot hold.
    """
    if value is None:
        return b"{}"
    try:
        text = json.dumps(value, default=plain, allow_nan=False)
    except (TypeError, ValueError):  # keys that are no text, or NaN: both are rare
        text = json.dumps(_rebuilt(value), allow_nan=False)
    return text.encode("ascii")


def plain(value: Any) -> Any:
    """Return an object as what the json module knows; raises TypeError when there is no such."""
    if type(value).__name__ in MISSING:
        return None
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("m", "M") and hasattr(value, "astype") and not hasattr(value, "index"):
        return value.astype(str).tolist()  # else NumPy makes integers of nanoseconds
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict(orient="records")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    for method in ("tolist", "to_pylist", "model_dump", "isoformat", "toarray"):
        convert = getattr(value, method, None)
        if callable(convert) and not isinstance(value, type):
            return convert()
    return _of_standard_library(value)


def _of_standard_library(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (uuid.UUID, PurePath)):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection):  # sets, ranges, views of a dict
        return list(value)
    raise TypeError(f"an object of type {type(value).__name__} cannot be written as JSON")


def _rebuilt(value: Any) -> Any:
    """Return the same document with text keys and without NaN."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return {_key(key): _rebuilt(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rebuilt(item) for item in value]
    return _rebuilt(plain(value))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if hasattr(key, "isoformat"):
        return str(key.isoformat())
    found = key.item() if hasattr(key, "item") else key
    if isinstance(found, str):
        return found
    known = found is None or isinstance(found, (bool, int, float))
    return json.dumps(found) if known else str(found)
