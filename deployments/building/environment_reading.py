"""What people send about an environment, as the values that `environment_add` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from deployments.building.pythons import own_minor
from registry.environments.files import Parsed, docker_steps_read, environment_file_read
from registry.environments.services import model_requirements


def given_read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a JSON body; what is omitted or null takes its default.

    A file and a model are read here; what is wrong with them is told with all the rest.

    Raises:
        Unavailable: MLflow does not answer.
    """
    steps = given.get("docker_steps")
    base_image = given.get("base_image") or ""
    if isinstance(steps, str):
        found, steps = docker_steps_read(steps)
        base_image = base_image or found
    python = given.get("python") or ""
    parsed, source = _parsed(given, python if isinstance(python, str) else "")
    return {
        "name": given.get("name"),
        "description": given.get("description"),
        "python": python,
        "packages": () if given.get("packages") is None else given["packages"],
        "variables": given.get("variables"),
        "base_image": base_image,
        "docker_steps": () if steps is None else steps,
        "parsed": parsed,
        "source": source,
    }


def _parsed(given: Mapping[str, Any], python: str) -> tuple[Parsed | None, str]:
    file, model = given.get("file"), given.get("model")
    if file is not None and model is not None:
        return Parsed(problems=(_("Give a file or a model, not both."),)), ""
    if model is not None:
        return model_requirements(model), str(model)
    if file is None:
        return None, ""
    name, content = file.get("name"), file.get("content")
    known = isinstance(name, str) and isinstance(content, str | bytes)  # bytes: an upload
    if set(file) - {"name", "content"} or not known:
        text = _("A file is an object with the texts “name” and “content”.")
        return Parsed(problems=(text,)), ""
    return environment_file_read(name, content, python=python or own_minor()), name


def pairs_read(text: str) -> dict[str, str | None]:
    """Variables from lines NAME=VALUE; None is the value of a line without “=”, to be refused."""
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        found[name.strip()] = value.strip() if equals else None
    return found
