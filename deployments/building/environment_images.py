"""Images of environments on a Docker host."""

from __future__ import annotations

from typing import Any

from deployments.building.image_runs import inspect
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_client import translated
from deployments.drivers.docker_layout import ENVIRONMENT_LABEL, IMAGE_LABEL


def environment_images(driver: DockerDriver) -> list[dict[str, Any]]:
    """Images of environments, of every studio of this engine, as the engine lists them.

    Raises:
        TargetUnreachable.
    """
    with translated(driver.base_url):
        listed = driver.client.images(filters={"label": [f"{IMAGE_LABEL}=environment"]})
    return [
        {**image, "tag": tag, "hash": (image.get("Labels") or {}).get(ENVIRONMENT_LABEL, "")}
        for image in listed
        for tag in image.get("RepoTags") or []
        if tag.startswith("slipway/environment:")
    ]


def image_size(driver: DockerDriver, tag: str) -> int:
    """Bytes of an image with all layers that it shares with others.

    Raises:
        TargetUnreachable. InvalidSpec: it is not there.
    """
    return int(inspect(driver, tag)["Size"])
