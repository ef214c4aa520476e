"""What a revision with an entry script is made of, for its image and its replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from deployments.drivers.docker_layout import SOURCE_DIR, more_model_dir
from deployments.models import Revision
from registry.scripts import folders


def more_models(revision: Revision) -> list[dict[str, str]]:
    """Name, version, sha256 and layout of the models beside the own one, once they are copied."""
    found: list[dict[str, str]] = revision.prepared.get("models", [])
    return found


def base_image(revision: Revision | None) -> str:
    """The image that the environment is built on; "" is the studio's own."""
    found: str = _needs(revision).get("base_image", "")
    return found


def docker_steps(revision: Revision) -> tuple[str, ...]:
    """Dockerfile instructions that the environment asks for."""
    return tuple(_needs(revision).get("docker_steps", ()))


def _needs(revision: Revision | None) -> dict[str, Any]:
    return {} if revision is None else dict(revision.prepared.get("needs") or {})


def image_parts(revision: Revision) -> list[tuple[Path, str]]:
    """Folders that go into the service's image beside the model: (here, inside)."""
    if not revision.inference:
        return []
    more = [settings.DATA.models / item["sha256"] for item in more_models(revision)]
    return [
        (folders.source_path(revision.inference["source"]), SOURCE_DIR),
        *((path, more_model_dir(number)) for number, path in enumerate(more, 1)),
    ]


def _model_folder(item: dict[str, str]) -> dict[str, str]:
    """A `contract.ModelFolder`: where the copied files are, and under what name to find them."""
    given = {name: text for name, text in item.items() if name != "sha256"}
    return {**given, "path": str(settings.DATA.models / item["sha256"])}


def replica_config(revision: Revision) -> dict[str, Any]:
    """What a replica's configuration holds more; paths are of this node."""
    if not revision.inference:
        return {}
    own = {
        **revision.prepared.get("own", {}),
        "name": revision.model_name,
        "version": revision.model_version,
        "sha256": revision.model_sha256,
    }
    config = {
        "entry_script": revision.inference["entryScript"],
        "source_dir": str(settings.DATA.sources / revision.inference["source"]),
        "models": [_model_folder(item) for item in (own, *more_models(revision))],
    }
    variables = revision.prepared.get("variables")
    return {**config, "environment": variables} if variables else config
