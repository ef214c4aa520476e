"""What a model's own files say of it: MLmodel, requirements, Python version, input example.

The files were written by anybody. Nothing here raises for what they contain: a file that cannot be
understood becomes a sentence in `Facts.problem`, and what can be read is kept.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.utils.translation import gettext as _

from workspaces.errors import Invalid
from workspaces.yaml_guard import yaml_load

MAX_TEXT = 2_000_000  # bytes of MLmodel, requirements and the like
MAX_DEPTH = 64
MAX_EXAMPLE = 5_000_000  # bytes; a larger example is no help in a form
SERVING_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_PYTHON = re.compile(r"\s*(?:==?)?\s*(\d+)\.(\d+)")
# strings only: no tags, no constructors, so nothing in a file can make parsing run code or fail
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

Read = Callable[[str, int], bytes | None]  # (path, limit) -> content, None when absent


@dataclass(frozen=True)
class Facts:
    """Facts of one version, JSON-able. `problem` is a sentence, "" when all could be read."""

    flavors: dict[str, dict[str, Any]] = field(default_factory=dict)
    signature: dict[str, list[dict[str, Any]] | None] | None = None
    requirements: list[str] = field(default_factory=list)
    python_version: str = ""
    mlflow_version: str = ""
    input_example: dict[str, Any] | None = None
    problem: str = ""


def facts_read(read: Read) -> Facts:
    """Gather the facts of a model folder.

    Args:
        read: gives a file's content by its path in the folder.
    Raises:
        Unavailable: only what `read` itself raises.
    """
    problems: list[str] = []

    def part(path: str, parse: Callable[[bytes], Any], limit: int = MAX_TEXT) -> Any:
        try:
            content = read(path, limit)
            return None if content is None else parse(content)
        except Invalid as error:
            problems.append(error.message)
            return None

    mlmodel = part("MLmodel", mlmodel_parse)
    mlmodel = mlmodel or {}  # without one it is no MLflow model, and needs an entry script
    conda = part("conda.yaml", conda_parse) or {}
    environment = part("python_env.yaml", yaml_mapping) or {}
    requirements = part("requirements.txt", requirements_parse)
    return Facts(
        flavors=mlmodel.get("flavors", {}),
        signature=mlmodel.get("signature"),
        requirements=requirements if requirements is not None else conda.get("pip", []),
        python_version=_python_version(environment, conda, mlmodel),
        mlflow_version=mlmodel.get("mlflow_version", ""),
        input_example=_example(part, mlmodel.get("example", {})),
        problem=" ".join(problems),
    )


def mlmodel_parse(content: bytes) -> dict[str, Any]:
    """The parts of an MLmodel file that matter here.

    Returns: `flavors`, `signature`, `example`, `mlflow_version`.
    Raises:
        Invalid: it is not YAML, or its parts have other shapes than MLflow writes.
    """
    raw = yaml_mapping(content, "MLmodel")
    flavors = raw.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise Invalid(_("The MLmodel file names no flavors."))
    example = raw.get("saved_input_example_info")
    version = raw.get("mlflow_version", "")
    return {
        "flavors": {str(name): _scalars(value) for name, value in flavors.items()},
        "signature": _signature(raw.get("signature")),
        "example": _scalars(example),
        "mlflow_version": version if isinstance(version, str) else "",
    }


def yaml_mapping(content: bytes, name: str = "python_env.yaml") -> dict[str, Any]:
    """Parse a YAML mapping in which every scalar stays text. Raises: Invalid."""
    text = _text(content, name)
    try:
        raw = _tidy(yaml_load(text, _Loader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(_("The file %(name)s is not valid YAML.") % {"name": name}) from error
    if not isinstance(raw, dict):
        raise Invalid(_("The file %(name)s is not a YAML mapping.") % {"name": name})
    return raw


def requirements_parse(content: bytes) -> list[str]:
    """Lines of requirements.txt without comments and empty ones. Raises: Invalid."""
    lines = (line.strip() for line in _text(content, "requirements.txt").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def conda_parse(content: bytes) -> dict[str, Any]:
    """`python` (version or "") and `pip` (requirements) of a conda.yaml. Raises: Invalid."""
    dependencies = yaml_mapping(content, "conda.yaml").get("dependencies")
    found: dict[str, Any] = {"python": "", "pip": []}
    for item in dependencies if isinstance(dependencies, list) else []:
        if isinstance(item, str) and re.match(r"python\s*[=<>]", item):
            found["python"] = item.removeprefix("python")
        elif isinstance(item, dict) and isinstance(item.get("pip"), list):
            found["pip"] = [line for line in item["pip"] if isinstance(line, str)]
    return found


def example_parse(content: bytes, name: str = "input_example.json") -> Any:
    """Parse an example; NaN and infinity become null, as JSON knows neither. Raises: Invalid."""
    try:
        return _tidy(json.loads(_text(content, name)))
    except (ValueError, RecursionError) as error:
        raise Invalid(_("The file %(name)s is not valid JSON.") % {"name": name}) from error


def _example(part: Callable[..., Any], info: Mapping[str, Any]) -> dict[str, Any] | None:
    path = _inner_path(info.get("serving_input_path"), "serving_input_example.json")
    ready = part(path, example_parse, MAX_EXAMPLE)
    if isinstance(ready, dict) and any(key in ready for key in SERVING_FORMATS):
        return ready
    path = _inner_path(info.get("artifact_path"), "input_example.json")
    raw = part(path, example_parse, MAX_EXAMPLE)
    return None if raw is None else _wrapped(raw, info)


def _wrapped(raw: Any, info: Mapping[str, Any]) -> dict[str, Any] | None:
    """An example of an older MLflow, in the shape that its scoring protocol takes."""
    if isinstance(raw, dict):
        if any(key in raw for key in SERVING_FORMATS):
            return raw
        if info.get("pandas_orient") == "split" or {"columns", "data"} <= raw.keys():
            return {"dataframe_split": raw}
    if info.get("pandas_orient") == "records" and isinstance(raw, list):
        return {"dataframe_records": raw}
    return {"inputs": raw}


def _inner_path(value: Any, default: str) -> str:
    """A path that MLmodel names; one that points elsewhere is not followed."""
    if isinstance(value, str) and re.fullmatch(r"[\w.-]+(/[\w.-]+)*", value):
        return default if ".." in value.split("/") else value
    return default


def _signature(raw: Any) -> dict[str, list[dict[str, Any]] | None] | None:
    if not isinstance(raw, dict):
        return None
    found = {part: _columns(raw.get(part)) for part in ("inputs", "outputs", "params")}
    return found if any(value is not None for value in found.values()) else None


def _columns(text: Any) -> list[dict[str, Any]] | None:
    """MLflow keeps each part of a signature as JSON inside YAML."""
    if not isinstance(text, str) or text in {"", "null", "~"}:
        return None
    try:
        columns = _tidy(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Invalid(_("The signature in the MLmodel file is not valid JSON.")) from error
    if columns is None:
        return None
    if not isinstance(columns, list) or not all(isinstance(item, dict) for item in columns):
        raise Invalid(_("The signature in the MLmodel file is not a list of columns."))
    return columns


def _tidy(value: Any, depth: int = 0) -> Any:
    """A JSON value that every database and every browser takes.

    NaN and infinity are null, half surrogate pairs and NULs are replaced, nesting has a limit.
    """
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_tidy(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_tidy(key): _tidy(item, depth + 1) for key, item in value.items()}
    return value


def _scalars(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    words = {"true": True, "false": False}
    return {
        str(key): words.get(item, item)
        for key, item in value.items()
        if isinstance(item, str) and item not in {"", "null", "~"}
    }


def _python_version(
    environment: Mapping[str, Any], conda: Mapping[str, Any], mlmodel: Mapping[str, Any]
) -> str:
    flavor = mlmodel.get("flavors", {}).get("python_function", {})
    for value in (environment.get("python"), conda.get("python"), flavor.get("python_version")):
        match = _PYTHON.match(value) if isinstance(value, str) else None
        if match:
            return f"{match[1]}.{match[2]}"
    return ""


def _text(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(_("The file %(name)s is not UTF-8 text.") % {"name": name}) from error
    return text.replace("\x00", "\ufffd")  # a NUL cannot be kept in PostgreSQL
