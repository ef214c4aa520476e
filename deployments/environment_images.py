"""Images of environments on a Docker host, and which base images may be fetched for them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_client import translated
from deployments.drivers.docker_layout import ENVIRONMENT_LABEL, IMAGE_LABEL
from deployments.image_runs import exists, inspect
from deployments.images import Builder


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


def base_image_refused(builder: Builder) -> str:
    """Why the studio does not fetch this base image, or "": see SLIPWAY_BASE_IMAGES.

    What the Docker host has already may be used by everyone.

    Raises:
        TargetUnreachable.
    """
    image, allowed = builder.base_image, settings.SLIPWAY.base_images
    patterns = (settings.SLIPWAY.base_image, *allowed)
    if any(fnmatchcase(image, pattern) for pattern in patterns) or exists(builder.driver, image):
        return ""
    text = _(
        "The image %(image)s is not on the Docker host, and the studio may fetch only %(allowed)s. "
        "Ask an administrator to fetch it or to add it to SLIPWAY_BASE_IMAGES."
    )
    return text % {"image": image, "allowed": ", ".join(patterns)}
