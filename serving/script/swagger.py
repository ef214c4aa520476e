"""The API document of a script in Swagger 2 and OpenAPI 3.0.3 and 3.1.0.

A file of the person's own in the app's root wins. Names of operations and definitions are v1's:
client generators built on them.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from serving.script.schema import Schemas
from serving.swagger import DEFAULT_VERSION, NUMBERS, VERSIONS, version_argument

log = logging.getLogger("serving.script")

FILES = {"2": ("swagger2.json",), "3": ("swagger3.json",), "3.1": ("swagger3.1.json",)}
ANY_FILE = "swagger.json"  # of the version its content says
JSON = "application/json"
OPEN_OBJECT: dict[str, Any] = {"type": "object", "example": {}}
ERROR = {"type": "object", "properties": {"message": {"type": "string"}}}


def documents(app_root: Path, schemas: Schemas | None) -> dict[str, bytes]:
    """Return every document there is, by version; what cannot be made is left out."""
    found = _written(app_root)
    for version in schemas.versions if schemas else VERSIONS:
        if version in found:
            continue
        try:
            found[version] = json.dumps(_document(version, schemas)).encode("ascii")
        except (TypeError, ValueError) as error:  # a sample that is no JSON
            log.warning("no Swagger %s can be made from the script's schema: %s", version, error)
    return found


def _written(app_root: Path) -> dict[str, bytes]:
    found = {}
    for version in VERSIONS:
        for name in FILES[version]:
            text = _read(app_root / name)
            if text is not None:
                found[version] = text
    text = _read(app_root / ANY_FILE)
    if text is not None:
        number = str(json.loads(text).get("openapi", "2"))
        version = "3.1" if number.startswith("3.1") else number[:1]
        for answered in {version, DEFAULT_VERSION}:  # asked for without a version, it is found
            found.setdefault(answered, text)
    return found


def _read(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    text = path.read_bytes()
    try:
        if isinstance(json.loads(text), dict):
            return text
        reason = "it is no JSON object"
    except ValueError as error:
        reason = str(error)
    log.warning("%s is not used: %s", path.name, reason)
    return None


def _document(version: str, schemas: Schemas | None) -> dict[str, Any]:
    name = os.environ.get("SERVICE_NAME") or "ML service"
    info = {
        "title": name,
        "description": f"How to call the service {name}",
        "version": os.environ.get("SERVICE_VERSION") or "1.0",
    }
    definitions = {
        "ServiceInput": schemas.input if schemas and schemas.takes_input else OPEN_OBJECT,
        "ServiceOutput": schemas.output if schemas else OPEN_OBJECT,
        "ErrorResponse": ERROR,
    }
    return (_swagger_2 if version == "2" else _openapi_3)(version, info, definitions)


def _paths(describe: Any) -> dict[str, Any]:
    prefix = os.environ.get("SERVICE_PATH_PREFIX", "").strip("/")
    start = f"/{prefix}" if prefix else ""
    return {
        start or "/": {"get": describe("ServiceHealthCheck", "Whether the service is up", None)},
        f"{start}/score": {"post": describe("RunMLService", "Score the input", "ServiceInput")},
        f"{start}/swagger.json": {"get": describe("GetSwaggerSpec", "This document", None)},
    }


def _swagger_2(version: str, info: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    def describe(name: str, summary: str, body: str | None) -> dict[str, Any]:
        answer = {"$ref": "#/definitions/ServiceOutput"} if body else {"type": "string"}
        failed = {"$ref": "#/definitions/ErrorResponse"}
        told: dict[str, Any] = {
            "operationId": name,
            "description": summary,
            "responses": {
                "200": {"description": "It worked", "schema": answer},
                "default": {"description": "It did not; see the message", "schema": failed},
            },
        }
        if body:
            payload = {"name": "serviceInputPayload", "in": "body"}
            schema = {"schema": {"$ref": f"#/definitions/{body}"}}
            told["parameters"], told["security"] = [{**payload, **schema}], [{"Bearer": []}]
        if name == "GetSwaggerSpec":
            told["parameters"] = [version_argument("2")]
        return told

    return {
        "swagger": NUMBERS[version],
        "info": info,
        "schemes": ["https", "http"],
        "consumes": [JSON],
        "produces": [JSON],
        "securityDefinitions": {"Bearer": _bearer()},
        "paths": _paths(describe),
        "definitions": definitions,
    }


def _openapi_3(version: str, info: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    def content(name: str) -> dict[str, Any]:
        return {"content": {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}}

    def describe(name: str, summary: str, body: str | None) -> dict[str, Any]:
        text = {"content": {"text/html": {"schema": {"type": "string"}}}}
        answer = content("ServiceOutput") if body else text
        failed = {"description": "It did not; see the message", **content("ErrorResponse")}
        told: dict[str, Any] = {
            "operationId": name,
            "description": summary,
            "responses": {"200": {"description": "It worked", **answer}, "default": failed},
        }
        if body:
            told["requestBody"], told["security"] = content(body), [{"Bearer": []}]
        if name == "GetSwaggerSpec":
            told["parameters"] = [version_argument(version)]
        return told

    return {
        "openapi": NUMBERS[version],
        "info": info,
        "security": [{"Bearer": []}],
        "paths": _paths(describe),
        "components": {"schemas": definitions, "securitySchemes": {"Bearer": _bearer()}},
    }


def _bearer() -> dict[str, str]:
    told = "Bearer, a space, and a key of this service"
    return {"type": "apiKey", "name": "Authorization", "in": "header", "description": told}
