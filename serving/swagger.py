"""The API document of a service, from the model's signature: Swagger 2, OpenAPI 3.0.3 and 3.1.0.

Which version is answered is the rule of the v1 server, for models and scripts alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from serving.contract import INVOCATIONS_PATH, SCORE_PATH, ReplicaConfig
from serving.errors import ServingError
from serving.explain import Column

VERSIONS = ("2", "3", "3.1")  # as the route's argument names them
DEFAULT_VERSION = "2"
NUMBERS = {"2": "2.0", "3": "3.0.3", "3.1": "3.1.0"}
JSON = "application/json"

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


def normal_version(asked: str) -> str:
    """Return "2", "3" or "3.1"; raises ServingError 404 for any other version."""
    found = asked[:-2] if asked in ("2.0", "3.0") else asked
    if found not in VERSIONS:
        text = f"Swagger version [{asked[:100]}] is not valid. Supported versions: [2, 3, 3.1]."
        raise ServingError(404, text)
    return found


def pick(found: Mapping[str, bytes], asked: str) -> bytes:
    """Return the document of a version; raises ServingError 404 in v1's words."""
    version = normal_version(asked)
    if version not in found:
        names = ", ".join(name for name in VERSIONS if name in found)
        text = (
            f"Swagger version [{asked}] is not supported for the scoring script. "
            f"Supported swagger versions: [{names}]."
        )
        raise ServingError(404, text)
    return found[version]


def version_argument(version: str) -> dict[str, Any]:
    """Return the parameter of /swagger.json as a document of this version describes it."""
    argument = {"name": "version", "in": "query", "required": False}
    kind = {"type": "string", "enum": [*VERSIONS]}
    return {**argument, **kind} if version == "2" else {**argument, "schema": kind}


def documents(
    config: ReplicaConfig, columns: list[Column], example: dict[str, Any] | None
) -> dict[str, bytes]:
    """Return the documents of a model by version; the arguments are `document`'s."""
    newest = document(config, columns, example)
    found = {
        "2": swagger_2(newest),
        "3": newest,
        "3.1": {**newest, "openapi": NUMBERS["3.1"]},
    }
    return {version: json.dumps(one).encode("ascii") for version, one in found.items()}


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
        "openapi": NUMBERS["3"],
        "info": {
            "title": config["service"],
            "version": str(config["revision"]),
            "description": f"{config['model_name']} version {config['model_version']}",
        },
        "paths": {
            "/": {"get": _health()},
            SCORE_PATH: {"post": _operation("RunMLService", "Score rows")},
            INVOCATIONS_PATH: {"post": _operation("Invocations", "Score rows, MLflow's protocol")},
            "/swagger.json": {"get": _this_document()},
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


def _this_document() -> dict[str, Any]:
    name, ok = "GetSwaggerSpec", {"description": "This document"}
    return {"operationId": name, "parameters": [version_argument("3")], "responses": {"200": ok}}


def _operation(name: str, summary: str) -> dict[str, Any]:
    def content(schema: str) -> dict[str, Any]:
        return {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}

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


def swagger_2(newest: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI 3 document that `document` made as Swagger 2.0."""
    told = "Bearer, a space, and a key of this service"
    key = {"type": "apiKey", "name": "Authorization", "in": "header", "description": told}
    return {
        "swagger": NUMBERS["2"],
        "info": newest["info"],
        "schemes": ["https", "http"],
        "consumes": [JSON],
        "produces": [JSON],
        "securityDefinitions": {"Bearer": key},
        "security": newest["security"],
        "paths": {
            path: {method: _operation_2(found) for method, found in methods.items()}
            for path, methods in newest["paths"].items()
        },
        "definitions": newest["components"]["schemas"],
    }


def _operation_2(found: dict[str, Any]) -> dict[str, Any]:
    kept = ("operationId", "summary", "security")
    told = {name: found[name] for name in kept if name in found}
    if "requestBody" in found:
        body = {"name": "serviceInputPayload", "in": "body", "required": True}
        told["parameters"] = [{**body, "schema": _reference_2(found["requestBody"]["content"])}]
    elif "parameters" in found:
        told["parameters"] = [version_argument("2")]
    told["responses"] = {}
    for code, answer in found["responses"].items():
        told["responses"][code] = {"description": answer["description"]}
        if JSON in answer.get("content", {}):
            told["responses"][code]["schema"] = _reference_2(answer["content"])
    return told


def _reference_2(content: dict[str, Any]) -> dict[str, Any]:
    name = content[JSON]["schema"]["$ref"].rpartition("/")[2]
    return {"$ref": f"#/definitions/{name}"}
