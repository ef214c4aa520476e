"""An environment with a base image and steps of its own is built ahead on a real Docker host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployments.building import environment_images, image_removal
from deployments.building.environment_builds import build_remove, builds_of
from deployments.building.environment_requests import build_request, environment_add
from deployments.building.images import base_image_python
from deployments.drivers.docker import DockerDriver
from deployments.models import Target
from deployments.targets import driver_for
from tests.environments.conftest import operation_run
from tests.factories import TargetFactory

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def docker(data, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """The Docker target; what this test builds is removed afterwards."""
    monkeypatch.delenv("UV_DEFAULT_INDEX")  # an index of this host, which containers do not reach
    made = TargetFactory(name="docker", node=data.node_id)
    driver = driver_for(made)
    assert isinstance(driver, DockerDriver)
    before = {item["tag"] for item in environment_images.environment_images(driver)}
    yield made
    for item in environment_images.environment_images(driver):
        if item["tag"] not in before:
            image_removal.image_remove(driver, item["tag"])


def test_it_is_built_listed_and_removed(docker: Target, base_image: str) -> None:
    driver = driver_for(docker)
    assert isinstance(driver, DockerDriver)
    row, _operation = environment_add(
        name="tools",
        python=base_image_python(driver, base_image),
        base_image=base_image,
        docker_steps=["RUN echo made-by-a-step > /etc/slipway-step"],
        user=None,
    )
    done = operation_run(build_request(row=row, target="docker", user=None))
    assert (done.status, done.error) == ("Succeeded", "")
    (build,) = builds_of(done.found["hash"]).items
    assert (build.target, build.image, build.environments) == (
        "docker",
        done.found["image"],
        ("tools:1",),
    )
    assert build.size_bytes == done.found["installed_bytes"]
    written = driver.client.create_container(build.image, ["cat", "/etc/slipway-step"])
    try:
        driver.client.start(written)
        driver.client.wait(written, timeout=30)
        assert b"made-by-a-step" in driver.client.logs(written)
    finally:
        driver.client.remove_container(written, force=True, v=True)
    assert build_remove(digest=build.hash, user=None) == 1
    assert builds_of(build.hash).items == []


def test_an_image_that_may_not_be_fetched_is_refused_before_anything_is_built(
    docker: Target,
) -> None:
    row, _operation = environment_add(
        name="tools", base_image="registry.invalid/anybody/anything:1", user=None
    )
    done = operation_run(build_request(row=row, target="docker", user=None))
    assert (done.status, "SLIPWAY_BASE_IMAGES" in done.error) == ("Failed", True)
