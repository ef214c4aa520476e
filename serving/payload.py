"""From a request's body to what the model is given, in every dialect.

MLflow's own parsing decides; this module only recognises the dialect, refuses what no dialect
allows, and turns the two Azure dialects into the MLflow form they mean.
"""

from __future__ import annotations

import importlib
import io
import json
import re
from typing import Any, NamedTuple

from serving.errors import ServingError, bad_input
from serving.explain import Column, explain

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


class Payload(NamedTuple):
    """Parsed input: what to predict on, and how the answer looks."""

    data: Any
    params: dict[str, Any] | None
    wrapped: bool  # answer {"predictions": …}, else the bare result
    source: tuple[str, Any] | None  # MLflow's key and its JSON value, to explain a refusal


class Schema(NamedTuple):
    """What the model says of its input: MLflow's metadata and schema, and its plain columns."""

    metadata: Any
    inputs: Any  # mlflow.types.Schema or None
    columns: list[Column]  # empty: no signature, or tensors


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


def parse(body: bytes, content_type: str | None, schema: Schema) -> Payload:
    """Parse a request's body; raises ServingError 400 or 415, never anything else."""
    kind = media_type(content_type)
    if kind == JSON_TYPE:
        return _parse_json(decode_json(body), schema)
    scoring = importlib.import_module("mlflow.pyfunc.scoring_server")
    try:
        if kind == CSV_TYPE:
            text = io.StringIO(body.decode("utf-8"))
            data = scoring.parse_csv_input(text, schema.inputs)
        else:
            data = scoring.parse_parquet_input(io.BytesIO(body))
    except UnicodeDecodeError as error:
        raise bad_input(f"The body cannot be decoded as UTF-8: {error.reason}.") from error
    except Exception as error:
        raise _in_mlflow_shape(bad_input(short(error))) from error
    return Payload(data, None, wrapped=True, source=None)


def _parse_json(document: dict[str, Any], schema: Schema) -> Payload:
    mlflow_keys = [key for key in document if key in MLFLOW_KEYS]
    if len(mlflow_keys) > 1:
        names = " and ".join(repr(key) for key in mlflow_keys)
        raise _in_mlflow_shape(bad_input(f"Send only one of {names}."))
    if mlflow_keys:
        key, value, wrapped = mlflow_keys[0], document[mlflow_keys[0]], True
    elif any(key in document for key in V1_KEYS):
        (key, value), wrapped = _from_v1(document, schema.columns), False
    elif any(key in document for key in LLM_KEYS) and not schema.columns:
        return _read(document, schema, None, wrapped=True)
    else:
        raise bad_input(_unknown_keys(document))
    form = {key: value}
    if document.get("params") is not None:
        form["params"] = document["params"]
    try:
        return _read(form, schema, (key, value), wrapped=wrapped)
    except ServingError as error:
        error.mlflow = wrapped
        raise


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


def _read(
    form: dict[str, Any], schema: Schema, source: tuple[str, Any] | None, *, wrapped: bool
) -> Payload:
    scoring = importlib.import_module("mlflow.pyfunc.scoring_server")
    params = form.get("params")
    if params is not None and not isinstance(params, dict):
        raise bad_input("'params' must be a JSON object of names and values.")
    try:
        if hasattr(scoring, "_parse_json_data"):
            parsed = scoring._parse_json_data(dict(form), schema.metadata, schema.inputs)
            return Payload(
                parsed.data, parsed.params, wrapped and not parsed.is_unified_llm_input, source
            )
        data = {key: value for key, value in form.items() if key != "params"}
        return Payload(scoring.infer_and_parse_data(data, schema.inputs), params, wrapped, source)
    except Exception as error:
        reason = explain(source, schema.columns) or short(error)
        raise bad_input(reason) from error


def short(error: Exception) -> str:
    """Return an exception's text without MLflow's echo of the whole input and its advice."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    text = re.split(r"\.? IMPORTANT: The MLflow Model scoring|\nInput: ?\n", str(text))[0]
    text = re.sub(r"(?s)^Failed to predict data .*?\nError: ", "", text)
    return text.strip()[:1000]


def _in_mlflow_shape(error: ServingError) -> ServingError:
    error.mlflow = True
    return error
