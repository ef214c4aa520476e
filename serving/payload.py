"""Which dialect a request's body is in, and which MLflow payload it means.

Standard library only. What the payload's values become is decided by the loaders.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from serving.errors import ServingError, bad_input
from serving.explain import Column

MLFLOW_KEYS = ("dataframe_split", "dataframe_records", "instances", "inputs")
LLM_KEYS = ("messages", "prompt", "input")
V1_KEYS = ("data", "input_data")
JSON_TYPE, CSV_TYPE, PARQUET_TYPE = (
    "application/json",
    "text/csv",
    "application/vnd.apache.parquet",
)
ACCEPTED = f"{JSON_TYPE}, {CSV_TYPE} or {PARQUET_TYPE}"
EXAMPLE = '{"dataframe_split": {"columns": […], "data": [[…]]}} or {"data": […]}'


class Form(NamedTuple):
    """A JSON body as the MLflow payload it means."""

    key: str  # dataframe_split, dataframe_records, instances, inputs; LLM for a body as it stands
    value: Any
    params: dict[str, Any] | None
    wrapped: bool  # answer {"predictions": …}, else the bare result


LLM = "messages, prompt or input"


def media_type(content_type: str | None) -> str:
    """Return the media type; raises ServingError 415 for one this runtime does not read."""
    name, _, rest = (content_type or JSON_TYPE).partition(";")
    name = name.strip().lower()
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", rest, re.IGNORECASE)
    if charset and charset.group(1).lower() not in ("utf-8", "utf8"):
        raise ServingError(415, f"Only UTF-8 is supported, got charset {charset.group(1)!r}.")
    if name not in (JSON_TYPE, CSV_TYPE, PARQUET_TYPE):
        raise ServingError(415, f"Content-Type {name!r} is not supported; send {ACCEPTED}.")
    return name


def decode_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; raises ServingError 400 that says what is wrong with it."""
    if not body.strip():
        raise bad_input(f"The body is empty; send JSON such as {EXAMPLE}.")
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise bad_input(f"The body cannot be decoded as UTF-8: {error.reason}.") from error
    except RecursionError:
        raise bad_input("The body is nested too deeply.") from None
    except ValueError as error:  # also an integer of more digits than Python converts
        raise bad_input(f"The body could not be decoded as JSON: {error}.") from error
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, list) else "a single value"
        raise bad_input(f"The body must be a JSON object such as {EXAMPLE}; got {kind}.")
    return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; send null for a missing value")


def read_form(document: dict[str, Any], columns: list[Column]) -> Form:
    """Return what a JSON body means; raises ServingError 400 for none or several payloads.

    Args:
        document: the body, parsed.
        columns: the model's named columns; empty when it has none.
    """
    mlflow_keys = [key for key in document if key in MLFLOW_KEYS]
    if len(mlflow_keys) > 1:
        names = " and ".join(repr(key) for key in mlflow_keys)
        raise in_mlflow_shape(bad_input(f"Send only one of {names}."))
    if mlflow_keys:
        key, wrapped = mlflow_keys[0], True
        value = document[key]
    elif any(key in document for key in V1_KEYS):
        (key, value), wrapped = _from_v1(document, columns), False
    elif any(key in document for key in LLM_KEYS) and not columns:
        key, value, wrapped = LLM, document, True
    else:
        raise bad_input(_unknown_keys(document))
    params = document.get("params")
    if params is not None and not isinstance(params, dict) and key != LLM:
        error = bad_input("'params' must be a JSON object of names and values.")
        raise in_mlflow_shape(error) if wrapped else error
    return Form(key, value, params, wrapped)


def _unknown_keys(document: dict[str, Any]) -> str:
    known = ", ".join((*MLFLOW_KEYS, *V1_KEYS))
    names = ", ".join(repr(key)[:100] for key in list(document)[:10])
    got = f"unknown key {names}" if names else "the object is empty"
    return f"No input found: {got}. Send one of {known}."


def _from_v1(document: dict[str, Any], columns: list[Column]) -> tuple[str, Any]:
    """Return the MLflow key and value that an Azure payload means."""
    value = document["input_data"] if "input_data" in document else document["data"]
    if "columns" in document and "data" in document:  # pandas split at the top, as of 2020
        split = {key: document[key] for key in ("columns", "index", "data") if key in document}
        return "dataframe_split", split
    if isinstance(value, dict):
        return ("dataframe_split" if "data" in value else "inputs"), value
    rows = value if isinstance(value, list) else [value]
    if rows and isinstance(rows[0], dict):
        return "dataframe_records", rows
    if columns:
        width = len(columns)
        if rows and not isinstance(rows[0], list):  # one row, or one value per row
            rows = [[cell] for cell in rows] if width == 1 else [rows]
        return "dataframe_split", {"columns": [column.name for column in columns], "data": rows}
    return "inputs", value


def short(error: Exception) -> str:
    """Return an exception's text without MLflow's echo of the whole input and its advice."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    text = re.split(r"\.? IMPORTANT: The MLflow Model scoring|\nInput: ?\n", str(text))[0]
    text = re.sub(r"(?s)^Failed to predict data .*?\nError: ", "", text)
    return text.strip()[:1000]


def in_mlflow_shape(error: ServingError) -> ServingError:
    """Return the error, to be answered in MLflow's shape whatever the path."""
    error.mlflow = True
    return error
