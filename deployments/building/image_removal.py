"""Images that nothing needs any more: finding and removing them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from deployments.building.images import shared_images
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_client import translated
from deployments.drivers.docker_layout import IMAGE_LABEL, NODE_LABEL


def service_images(driver: DockerDriver, hours: float = 0.0) -> list[str]:
    """Return the tags of all service images of this node: what no service uses can be removed.

    Args:
        hours: younger ones are left out; the operation that built one may not have named it yet.
    Raises:
        TargetUnreachable.
    """
    wanted = [f"{IMAGE_LABEL}=service", f"{NODE_LABEL}={driver.node}"]
    before = time.time() - hours * 3600
    with translated(driver.base_url):
        listed = driver.client.images(filters={"label": wanted})
    found = [image for image in listed if not hours or image["Created"] < before]
    return sorted(tag for image in found for tag in image.get("RepoTags") or [])


def image_remove(driver: DockerDriver, tag: str) -> bool:
    """Remove an image and the layers only it has; returns False while a container uses it.

    Raises:
        TargetUnreachable.
    """
    from docker.errors import APIError, ImageNotFound

    with translated(driver.base_url):
        try:
            driver.client.remove_image(tag)
        except ImageNotFound:
            return True
        except APIError as error:
            if error.status_code != 409:
                raise
            return False
    return True


def images_prune(driver: DockerDriver, hours: int = 1) -> int:
    """Remove what failed and cancelled builds left; returns the bytes that are free again.

    Younger than `hours` is spared: a build under way still needs its layers.

    Raises:
        TargetUnreachable.
    """
    filters = {"dangling": True, "label": IMAGE_LABEL, "until": f"{hours}h"}
    client: Any = driver.client  # the stubs leave prune_images untyped
    with translated(driver.base_url):
        return int(client.prune_images(filters).get("SpaceReclaimed") or 0)


def shared_images_remove_old(
    driver: DockerDriver, *, base_image: str, runtime_root: Path, days: float = 1.0
) -> list[str]:
    """Remove tools and runtime images that this version of Slipway would not build on.

    Services hold copies of what they took from them. Younger than `days` is spared: another
    studio of this Docker host may be building on it. Returns the tags that are gone; none when
    the base image is not there, as then nobody knows what is current.

    Raises:
        TargetUnreachable.
    """
    current = shared_images(driver, base_image, runtime_root)
    if not current:
        return []
    before = time.time() - days * 86_400
    gone = []
    for kind in ("runtime", "tools", "base"):  # the last: layers live on in what is built on them
        with translated(driver.base_url):
            found = driver.client.images(filters={"label": f"{IMAGE_LABEL}={kind}"})
        old = [image for image in found if image["Created"] < before]
        for tag in sorted(tag for image in old for tag in image.get("RepoTags") or []):
            ours = tag.startswith(f"slipway/{kind}:")
            if ours and tag not in current and image_remove(driver, tag):
                gone.append(tag)
    return gone
