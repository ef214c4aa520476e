"""A model's own input example, read from its folder without MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from serving.loaders.signature import Signature
from serving.payload import MLFLOW_KEYS


def example_payload(folder: Path, mlmodel: dict[str, Any]) -> dict[str, Any] | None:
    """Return the example as a request's document, or None when the model has none.

    Raises OSError or ValueError for an example that cannot be read.
    """
    info = mlmodel.get("saved_input_example_info") or {}
    if info.get("serving_input_path"):
        document: dict[str, Any] = json.loads((folder / info["serving_input_path"]).read_bytes())
        return document
    if not info.get("artifact_path"):
        return None
    found = json.loads((folder / info["artifact_path"]).read_bytes())
    if info.get("type") == "dataframe":
        return {"dataframe_split": found}
    if isinstance(found, dict) and any(key in MLFLOW_KEYS for key in found):
        return found
    return {"inputs": found}


def example_rows(document: dict[str, Any] | None, signature: Signature) -> list[list[Any]]:
    """Return the rows of an example's document in the signature's order; empty for odd ones."""
    try:
        return _rows(document or {}, signature)
    except (KeyError, TypeError, ValueError, IndexError):
        return []


def _rows(document: dict[str, Any], signature: Signature) -> list[list[Any]]:
    names = signature.names
    if "dataframe_split" in document:
        split = document["dataframe_split"]
        rows: list[list[Any]] = split["data"]
        if not signature.named:
            return rows
        places = [split["columns"].index(name) for name in names]
        return [[row[place] for place in places] for row in rows]
    value = document.get("inputs", document.get("instances", document.get("dataframe_records")))
    if isinstance(value, list) and not signature.named:
        return [[item] for item in value] if signature.tensors else [list(row) for row in value]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [[row[name] for name in names] for row in value]
    if isinstance(value, dict):
        return [list(row) for row in zip(*(value[name] for name in names))]  # noqa: B905
    return []
