"""Scripts decorated by the package inference-schema: parameters by name, from a JSON object.

The package is the model environment's, never ours; what it recorded of `run` is asked for by its
public functions.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from serving.errors import ServingError, bad_input
from serving.script.errors import ScriptError
from serving.script.signature import HEADERS, Signature
from serving.swagger import VERSIONS

NOT_JSON = "Expects Content-Type to be application/json"


class Schemas:
    """Input and output of a decorated `run`."""

    def __init__(self, util: Any, run: Callable[..., Any], signature: Signature) -> None:
        self.input = _without_headers(util.get_input_schema(run))
        self.output: dict[str, Any] = util.get_output_schema(run)
        supported = getattr(util, "get_supported_versions", None)
        found = [str(version) for version in supported(run)] if supported else ["2", "3"]
        normal = {version[:-2] if version.endswith(".0") else version for version in found}
        self.versions = tuple(version for version in VERSIONS if version in normal)
        self.takes_input = bool(self.input.get("properties"))
        self.signature = signature
        self._code = getattr(inspect.unwrap(run), "__code__", None)

    def arguments(self, document: Any) -> dict[str, Any]:
        """Return `run`'s arguments; raises ServingError 400 that names what is wrong."""
        if not isinstance(document, dict):
            raise bad_input("POST body should be a JSON dictionary.")
        for name in self.signature.required:
            if name not in document:
                raise bad_input(f"A value is not provided for the {name!r} parameter.")
        for name in document.keys() - {HEADERS}:  # the examples v1 published held it
            if name not in self.signature.data:
                known = ", ".join(self.signature.data)
                raise bad_input(f"There is no parameter {str(name)[:100]!r}; there are: {known}.")
        return {name: value for name, value in document.items() if name != HEADERS}

    def is_of_input(self, error: BaseException) -> bool:
        """Whether an exception came from turning input into its type, before `run` itself began."""
        return not any(code is self._code for code in _codes(error.__traceback__))


def _without_headers(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out the parameter that is the server's to give."""
    kept = dict(found)
    for part in ("properties", "example"):
        if isinstance(kept.get(part), dict):
            kept[part] = {name: value for name, value in kept[part].items() if name != HEADERS}
    return kept


def _codes(traceback: TracebackType | None) -> list[Any]:
    found = []
    while traceback is not None:
        found.append(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    return found


def of(run: Callable[..., Any], signature: Signature, *, raw: bool) -> Schemas | None:
    """Return the schemas of `run`, or None when it has none.

    Raises ScriptError for @rawhttp together with @input_schema.
    """
    util = sys.modules.get("inference_schema.schema_util")
    if util is None or not util.is_schema_decorated(run):
        return None
    schemas = Schemas(util, run, signature)
    if raw and schemas.takes_input:
        raise ScriptError("@rawhttp and @input_schema cannot be used together on run().")
    return schemas


def parse_body(body: bytes, *, is_json: bool) -> Any:
    """Return the JSON value in `body`; raises ServingError 400 or 415 in v1's words."""
    if not is_json:
        raise ServingError(415, NOT_JSON)
    if not body.strip():
        raise bad_input("POST body is empty. Expecting a JSON dictionary.")
    try:
        return json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise bad_input(f"POST body could not be decoded as JSON: {error}") from error
    except RecursionError:
        raise bad_input("POST body could not be decoded as JSON: it is nested too deeply") from None
    except ValueError as error:
        raise bad_input(f"POST body could not be decoded as JSON: {error}") from error
