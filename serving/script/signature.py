"""What `run()` takes: checked once, when the script is loaded."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NamedTuple

from serving.script.errors import ScriptError

HEADERS = "request_headers"  # a parameter of this name is given the request's headers
VARIADIC = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class Signature(NamedTuple):
    """Parameters of `run()` by their part."""

    data: list[str]  # in order, without request_headers
    required: list[str]  # those of them without a default
    headers: bool  # whether it takes request_headers


def check_name(entry_script: str) -> None:
    """Raise ScriptError unless the file's name can be a module's."""
    name = PurePath(entry_script).name
    stem, suffix = PurePath(name).stem, PurePath(name).suffix
    if suffix != ".py":
        raise ScriptError(f"The entry script {name!r} must end in .py.")
    if not stem.isidentifier() or keyword.iskeyword(stem):
        raise ScriptError(
            f"The entry script's name {name!r} must be a Python identifier and no keyword: "
            "letters, digits and underscores, beginning with a letter, then .py."
        )


def read(run: Callable[..., Any]) -> Signature:
    """Return the signature of `run`; raises ScriptError for one that v1's contract forbids."""
    if inspect.iscoroutinefunction(run) or inspect.isasyncgenfunction(run):
        raise ScriptError("run() must be a plain function: take the word async away.")
    try:
        parameters = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError) as error:
        raise ScriptError(f"run() has no readable signature: {error}.") from error
    for parameter in parameters:
        if parameter.kind in VARIADIC:
            raise ScriptError(
                "run() cannot accept positional-only arguments, *args, or **kwargs; "
                f"change the parameter {parameter.name!r}."
            )
    data = [parameter for parameter in parameters if parameter.name != HEADERS]
    if not parameters:
        raise ScriptError("run() needs to accept an argument for input data.")
    if not data:
        raise ScriptError(f'run() needs to accept an argument other than "{HEADERS}".')
    required = [item.name for item in data if item.default is inspect.Parameter.empty]
    return Signature(
        [item.name for item in data], required, any(item.name == HEADERS for item in parameters)
    )


def check_single(signature: Signature) -> None:
    """Raise ScriptError when an undecorated `run` needs more than the one thing it is given."""
    others = [name for name in signature.required if name != signature.data[0]]
    if others:
        names = ", ".join(repr(name) for name in others)
        raise ScriptError(
            f"run() is given the body as {signature.data[0]!r} and nothing for {names}: "
            "give these a default, or describe each parameter with @input_schema."
        )
