"""Trying a version in a container: its image, its limits, no network, nothing left."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sklearn.linear_model import Ridge

from deployments.building import image_removal
from deployments.choices import OperationStatus
from deployments.drivers.docker import DockerDriver
from deployments.trying import profile_steps
from deployments.trying.at_hand import operation_follow
from deployments.trying.draft_values import KEPT
from deployments.trying.profiles import profile_ask
from tests.prepare import save_model
from tests.trying import Place, Trying, checks_of, failed_of, place_made, trying_made

pytestmark = [
    pytest.mark.docker,
    pytest.mark.soak,  # a trial in a container that is built already is in tests/flow
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    yield from place_made("trying-docker")


@pytest.fixture
def driver() -> Iterator[DockerDriver]:
    made = DockerDriver(node=f"test{uuid.uuid4().hex[:8]}")
    yield made
    for tag in image_removal.service_images(made):
        image_removal.image_remove(made, tag)


@pytest.fixture
def trying(
    place: Place, driver: DockerDriver, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> Trying:
    return trying_made(place, monkeypatch, "docker", driver, base_image=base_image)


def test_a_version_is_tried_with_too_little_memory_then_with_enough_and_measured(
    trying: Trying, driver: DockerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(trying.files("ridge"), Ridge())
    uri = trying.register("ridge")
    little = {"containerResourceRequirements": {"memoryInGB": 0.0625}}
    poor = trying.tried(uri, deployment=little)
    sentence = "The model needs more than the 64 MB of memory it was given."
    assert failed_of(poor) == {"memory": sentence}, trying.lines

    done = trying.tried(uri)
    assert done.status == OperationStatus.SUCCEEDED, trying.lines
    assert checks_of(done)["batching"].sentence.startswith("Requests are scored together")
    assert done.found[KEPT]["image"] == poor.found[KEPT]["image"]  # used again

    monkeypatch.setattr(profile_steps, "LEVEL_SECONDS", 0.5)
    wanted = {"max_clients": 2}
    profile = operation_follow(
        profile_ask(model=uri, target="docker", user=None, wanted=wanted), trying.lines.append
    )
    assert profile.status == OperationStatus.SUCCEEDED, trying.lines
    result = profile.found["measured"]
    assert [level["clients"] for level in result["levels"]] == [1, 2]
    assert result["maxUtilizedCpu"] > 0
    assert result["maxUtilizedMemoryInGB"] > 0.02
    assert list(driver.names()) == []
