"""What an operation on a draft holds: what was asked, and what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.configuring.configuration import DeploymentConfiguration
from deployments.models import Operation, Target

KEPT = "parts"  # of Operation.found: what the steps made
NO_LOCK = "0" * 64  # a hash that no environment has: the packages are resolved anew


def asked_of(
    target: Target,
    name: str,
    version: str,
    wish: DeploymentConfiguration,
    inference: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What `Operation.asked` of a draft holds."""
    return {
        "model": name,
        "version": version,
        "target": target.name,
        "deployment": wish.as_dict(),
        "inference": dict(inference or {}),
    }


def subject_of(target: Target, name: str, version: str) -> str:
    """What the operation is about: one of a kind is open for each at a time."""
    return f"models:/{name}/{version} on {target.name}"


def known_environment(operation: Operation) -> str:
    """Hash of the environment that was made for it; "" when there is none."""
    found = operation.found.get(KEPT, {}).get("environment_hash", "")
    return "" if found == NO_LOCK else str(found)
