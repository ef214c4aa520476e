"""The OpenAPI 3.0.3 document of a service, from the model's signature."""

from __future__ import annotations

from typing import Any

from serving.contract import INVOCATIONS_PATH, SCORE_PATH, ReplicaConfig
from serving.explain import Column

JSON_TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "binary": {"type": "string", "format": "byte"},
    "datetime": {"type": "string", "format": "date-time"},
}
ERRORS = {
    "400": "Wrong input; the message names the field",
    "401": "No valid key",
    "413": "Body too large",
    "503": "Overloaded or still loading; see Retry-After",
    "504": "Scoring took too long",
}


def document(
    config: ReplicaConfig, columns: list[Column], example: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the document; serialisable as JSON.

    Args:
        columns: the model's named columns; empty when it has none.
        example: the model's own example as a request's body, or None.
    """
    error = {"type": "object", "properties": {"message": {"type": "string"}}}
    return {
        "openapi": "3.0.3",
        "info": {
            "title": config["service"],
            "version": str(config["revision"]),
            "description": f"{config['model_name']} version {config['model_version']}",
        },
        "paths": {
            "/": {"get": _health()},
            SCORE_PATH: {"post": _operation("RunMLService", "Score rows")},
            INVOCATIONS_PATH: {"post": _operation("Invocations", "Score rows, MLflow's protocol")},
        },
        "security": [{"Bearer": []}],
        "components": {
            "securitySchemes": {"Bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "ServiceInput": _input(columns, example),
                "ServiceOutput": {"type": "object", "properties": {"predictions": {}}},
                "ErrorResponse": error,
            },
        },
    }


def _health() -> dict[str, Any]:
    ok = {"description": "The service answers", "content": {"text/html": {"example": "Healthy"}}}
    return {"operationId": "ServiceHealthCheck", "security": [], "responses": {"200": ok}}


def _operation(name: str, summary: str) -> dict[str, Any]:
    def content(schema: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}

    answers: dict[str, Any] = {
        code: {"description": text, "content": content("ErrorResponse")}
        for code, text in ERRORS.items()
    }
    answers["200"] = {"description": "Predictions", "content": content("ServiceOutput")}
    body = {"required": True, "content": content("ServiceInput")}
    return {"operationId": name, "summary": summary, "requestBody": body, "responses": answers}


def _input(columns: list[Column], example: dict[str, Any] | None) -> dict[str, Any]:
    rows: dict[str, Any] = {"type": "array", "items": {}}
    if columns:
        rows["items"] = {
            "type": "object",
            "properties": {column.name: _column_type(column) for column in columns},
            "required": [column.name for column in columns if column.required],
        }
    split = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array", "items": {}}},
        },
    }
    shapes = {"dataframe_split": split, "dataframe_records": rows, "instances": {}, "inputs": {}}
    shapes["data"] = rows if columns else {}
    schema: dict[str, Any] = {"type": "object", "properties": shapes}
    return schema if example is None else {**schema, "example": example}


def _column_type(column: Column) -> dict[str, Any]:
    return dict(JSON_TYPES.get(column.type, {}))
