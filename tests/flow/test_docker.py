"""The main job on Docker: real containers, their limits, their death, a daemon that goes away."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.flow.conftest import Api, start
from tests.flow.test_many_at_once import ROW
from tests.setup.studio_process import eventually

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(900)]
ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


class Relay:
    """Forwards a unix socket to the engine's; closed, the engine is away for those behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.path.unlink(missing_ok=True)
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.socket(socket.AF_UNIX)
                there.connect(ENGINE)
                self._open += [here, there]
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    made = Relay(Path(f"/tmp/slipway-relay-{uuid.uuid4().hex[:8]}.sock"))
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="module")
def api(relay: Relay) -> Iterator[Api]:
    made = start(DOCKER_HOST=f"unix://{relay.path}")
    try:
        yield made
    finally:
        with suppress(Exception):
            made.gone("dock")
        made.studio.close()


@pytest.fixture(scope="module")
def service(api: Api) -> str:
    api.deploy(
        "dock",
        target="docker",
        deployment={"containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 0.75}},
    )
    api.healthy("dock", 600)
    return "dock"


def containers(api: Api, service: str) -> list[Container]:
    node = api.studio.data.node_id
    labels = [f"slipway.node={node}", f"slipway.service={service}"]
    return list(docker.from_env().containers.list(all=True, filters={"label": labels}))


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


def test_a_killed_container_comes_back_once(api: Api, service: str) -> None:
    [container] = containers(api, service)
    container.kill("SIGKILL")
    key = api.key(service)
    assert eventually(lambda: scores(api, service, key), 120)
    api.healthy(service)
    assert len(containers(api, service)) == 1


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
    label = {"label": "slipway.image=service"}
    before = {image.id for image in docker.from_env().images.list(filters=label)}
    api.gone("dock-gone", 90)
    assert containers(api, "dock-gone") == []
    assert eventually(
        lambda: before - {image.id for image in docker.from_env().images.list(filters=label)}
    )
