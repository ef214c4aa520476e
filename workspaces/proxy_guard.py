"""Writes that the proxy judges before MLflow sees them. Reads the database; run it in a thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from workspaces.errors import Conflict, Invalid

LONGEST_BODY = 1024 * 1024
Uses = Callable[[str, str | None], Iterable[str]]  # model, version or all -> services that use it


def no_uses(name: str, version: str | None) -> list[str]:
    """A studio without services: nothing is in use."""
    return []


def body_of(raw: bytes) -> dict[str, Any]:
    """Read a JSON object as MLflow does: an empty body is empty, a string holds JSON once more.

    Raises: Invalid.
    """
    try:
        value = json.loads(raw) if raw.strip() else {}
        if isinstance(value, str):
            value = json.loads(value)
    except (ValueError, RecursionError):
        raise Invalid("The body must be JSON.") from None
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.")
    return value


def guarded_body(*, guard: str, raw: bytes, uses: Uses, artifact_root: str, remote: bool) -> bytes:
    """Judge a write and return the body to send on: written anew from what was judged.

    Args:
        guard: a value of proxy_rules.GUARDED.
        raw: the body as it came.
        uses: who uses a model or a version.
        artifact_root: SLIPWAY_ARTIFACT_ROOT.
        remote: the server is somebody else's; where it keeps artifacts is theirs to judge.
    Raises:
        Invalid: the body is no JSON object, or asks for something refused.
        Conflict: a service uses the model or the version.
    """
    body = body_of(raw)
    if guard == "create_experiment":
        if not remote:
            _check_artifact_location(body, artifact_root)
    else:
        _check_uses(guard, body, uses)
    return json.dumps(body).encode()


def _check_artifact_location(body: dict[str, Any], artifact_root: str) -> None:
    """A path of this machine would let any signed-in person read every file that MLflow can."""
    for key in ("artifact_location", "artifactLocation"):
        location = body.get(key)
        if location in (None, ""):
            continue
        if not isinstance(location, str):
            raise Invalid(f"{key} must be a string.")
        try:
            scheme = urlsplit(location).scheme.lower()
        except ValueError:
            scheme = ""
        if scheme == "mlflow-artifacts" or _is_below(location, artifact_root):
            continue
        raise Invalid(
            f"{key} {location!r} is not a place this studio stores artifacts in. Leave it out: "
            "artifacts then go through the studio (mlflow-artifacts:/)."
        )


def _is_below(location: str, root: str) -> bool:
    return "://" in root and ".." not in location and location.startswith(root.rstrip("/") + "/")


def _check_uses(guard: str, body: dict[str, Any], uses: Uses) -> None:
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise Invalid("Missing value for required parameter 'name'.")
    version = _version(body) if guard == "delete_version" else None
    services = sorted(set(uses(name, version)))
    if not services:
        return
    thing = f"Model '{name}'" if version is None else f"Version {version} of model '{name}'"
    verb = "renamed" if guard == "rename_model" else "deleted"
    raise Conflict(
        f"{thing} cannot be {verb}: used by {_listed(services)}. Delete the service first, or "
        "deploy another version to it."
    )


def _version(body: dict[str, Any]) -> str:
    """The version as MLflow's store reads it: "01" is version 1."""
    try:
        return str(int(str(body.get("version"))))
    except ValueError:
        raise Invalid("Parameter 'version' must be the number of a model version.") from None


def _listed(services: list[str]) -> str:
    shown = ", ".join(services[:5])
    more = f" and {len(services) - 5} more" if len(services) > 5 else ""
    return f"service {shown}{more}" if len(services) == 1 else f"services {shown}{more}"
