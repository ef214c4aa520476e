"""Drivers under test. A new driver: one more parameter of `case` and its Case in cases.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.cases import Case, DockerCase, FakeCase, LocalCase
from tests.local_engine import local_engine, open_folder

TEST_LABEL = "slipway.test"


@pytest.fixture(scope="session")
def docker_play(base_image: str) -> Iterator[str]:
    """Tag of a small image that does as told, and `<tag>-unstartable`, which cannot start."""
    import docker

    client = docker.from_env()
    tag = f"slipway/test-play:{uuid.uuid4().hex[:8]}"
    broken = f"{tag}-unstartable"
    folder = Path(__file__).with_name("docker_play")
    options: dict[str, Any] = {"rm": True, "forcerm": True, "labels": {TEST_LABEL: "1"}}
    client.images.build(path=str(folder), tag=tag, buildargs={"BASE": base_image}, **options)
    made = client.containers.create(tag, command=["/nothing"])
    made.commit(*broken.split(":"), changes='CMD ["/nothing"]')
    made.remove(force=True)
    yield tag
    for name in (broken, tag):
        client.images.remove(name, force=True)
    client.images.prune({"dangling": True, "label": TEST_LABEL})
    client.close()


@pytest.fixture
def docker_case(docker_play: str, tmp_path: Path) -> Iterator[DockerCase]:
    """A Docker driver with a node id of its own; what it made is removed afterwards."""
    made = DockerCase(tmp_path, docker_play, node=f"test{uuid.uuid4().hex[:8]}")
    yield made
    for name in list(made.driver.names()):
        found = made.driver.container_name(name)
        made.driver.client.remove_container(found, force=True, v=True)


@pytest.fixture
def local_case() -> Iterator[LocalCase]:
    """A local driver with real masters; what still runs is ended afterwards."""
    made = LocalCase(open_folder("local"), local_engine())
    yield made
    made.clean()


@pytest.fixture(params=["fake", "local", pytest.param("docker", marks=pytest.mark.docker)])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """Every driver in turn."""
    if request.param != "fake":
        yield request.getfixturevalue(f"{request.param}_case")
        return
    made = FakeCase(tmp_path)
    yield made
    made.clean()
