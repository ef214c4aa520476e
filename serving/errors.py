"""Errors a caller sees, in the shape of the caller's dialect."""

from __future__ import annotations

import json

from serving.contract import INVOCATIONS_PATH, V2_PREFIX

ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    404: "ENDPOINT_NOT_FOUND",
    413: "REQUEST_LIMIT_EXCEEDED",
    415: "BAD_REQUEST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class ServingError(Exception):
    """An answer other than 2xx; `mlflow` asks for MLflow's shape whatever the path."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
        self.mlflow = False


def bad_input(message: str) -> ServingError:
    """Return a 400 that says what is wrong with the input."""
    return ServingError(400, message)


def error_body(error: ServingError, path: str) -> bytes:
    """Return the JSON body of an error in the shape of the dialect that the path or body spoke.

    MLflow {error_code, message}, Open Inference Protocol {error}, else Azure's {message}.
    """
    document = {"message": error.message}
    if path.startswith(V2_PREFIX):
        document = {"error": error.message}
    elif error.mlflow or path == INVOCATIONS_PATH:
        code = ERROR_CODES.get(error.status, "BAD_REQUEST")
        document = {"error_code": code, "message": error.message}
    return json.dumps(document).encode("ascii")


def plain_reason(error: BaseException) -> str:
    """Return what first went wrong as one line: "ModuleNotFoundError: No module named 'x'".

    That is the innermost cause: MLflow wraps what a model's code raises.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name = type(error).__name__
    return f"{name}: {lines[0]}"[:500] if lines else name
