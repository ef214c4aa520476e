"""The main job on Docker: real containers, their limits, their death, a daemon that goes away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.flow.api import Api
from tests.flow.relay import Relay
from tests.flow.test_many_at_once import ROW
from tests.setup.studio_process import eventually

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def service(whole_studio: Api) -> Iterator[str]:
    whole_studio.deploy(
        "dock",
        target="docker",
        deployment={"containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 0.75}},
    )
    whole_studio.healthy("dock", 600)
    yield "dock"
    whole_studio.gone("dock")


def containers(api: Api, service: str) -> list[Container]:
    node = api.studio.data.node_id
    labels = [f"slipway.node={node}", f"slipway.service={service}"]
    return list(docker.from_env().containers.list(all=True, filters={"label": labels}))


def service_images() -> set[str]:
    """Ids alone: one that is removed meanwhile could not be looked at."""
    label = {"label": "slipway.image=service"}
    return {image["Id"] for image in docker.from_env().api.images(filters=label)}


def scores(api: Api, service: str, key: dict[str, str]) -> bool:
    return api.score(service, json={"dataframe_records": [ROW]}, headers=key).status_code == 200


def test_it_scores_and_its_limits_are_real(api: Api, service: str) -> None:
    assert scores(api, service, api.key(service))
    [container] = containers(api, service)
    host: dict[str, Any] = container.attrs["HostConfig"]
    assert host["Memory"] == 768 * 1024 * 1024
    assert host["NanoCpus"] == 500_000_000
    assert not host["Binds"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert container.attrs["Config"]["User"] not in {"", "0", "root"}
    key = api.key(service)["authorization"].split()[1]
    assert key not in str(container.attrs)


def test_its_model_is_tried_in_a_container_of_the_same_image(api: Api, service: str) -> None:
    uri = api.model("good")
    _, name, version = uri.split("/")
    answer = api.call("POST", "/preflight", json={"model": uri, "target": "docker", "deep": True})
    assert answer.status_code == 202, answer.text
    number = answer.json()["operation"]["id"]

    def ended() -> bool:
        return bool(api.get(f"/operations/{number}")["status"] in {"Succeeded", "Failed"})

    assert eventually(ended, 240), api.studio.logs()
    [found] = api.get(f"/models/{name}/versions/{version}/preflight")["items"]
    assert (found["target"], found["result"]) == ("docker", "passed"), found
    assert len(containers(api, service)) == 1


def test_a_killed_container_comes_back_once(api: Api, service: str) -> None:
    [container] = containers(api, service)
    container.kill("SIGKILL")
    key = api.key(service)
    assert eventually(lambda: scores(api, service, key), 120)
    api.healthy(service)
    assert len(containers(api, service)) == 1


@pytest.mark.soak
def test_a_container_killed_in_the_middle_of_its_deploy_comes_back_once(api: Api) -> None:
    api.deploy("dock-slow", "slow", target="docker")
    api.step("dock-slow", "Health check", 600)
    assert eventually(lambda: [one.status for one in containers(api, "dock-slow")] == ["running"])
    [container] = containers(api, "dock-slow")
    container.kill("SIGKILL")
    row = api.healthy("dock-slow")
    assert len(containers(api, "dock-slow")) == 1
    operation = api.get(f"/operations/{row['operation']}")
    assert operation["status"] == "Succeeded"
    assert "== Build image ==" in api.get(f"/operations/{row['operation']}/log?offset=0")["text"]
    api.gone("dock-slow", 90)


@pytest.mark.soak
def test_a_removed_container_comes_back_once(api: Api, service: str) -> None:
    [container] = containers(api, service)
    container.remove(force=True)
    key = api.key(service)
    assert eventually(lambda: scores(api, service, key), 120)
    api.healthy(service)
    assert len(containers(api, service)) == 1


def test_a_daemon_that_goes_away_is_unhealthy_and_scoring_goes_on(
    api: Api, service: str, relay: Relay
) -> None:
    key = api.key(service)
    relay.close()
    try:
        row = api.wait(service, lambda row: row["state"] == "Unhealthy", 60)
        assert row["reason"] == "TargetUnreachable"
        assert "Docker" in row["message"]
        assert scores(api, service, key)
    finally:
        relay.open()
    api.healthy(service)
    assert len(containers(api, service)) == 1


def test_a_deleted_service_leaves_no_container_and_no_image(api: Api) -> None:
    # a model of its own: an image that another service uses stays
    api.deploy("dock-gone", "broken", target="docker")
    api.wait("dock-gone", lambda row: row["state"] == "Failed", 600)
    before = service_images()
    api.gone("dock-gone", 90)
    assert containers(api, "dock-gone") == []
    assert eventually(lambda: before - service_images())
