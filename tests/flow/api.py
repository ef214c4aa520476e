"""A whole studio with real processes, models logged by a stock client, and an API client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from deployments.drivers.docker_layout import NODE_LABEL
from tests.engines import missing
from tests.flow.relay import Relay
from tests.setup.studio_process import ROOT, Studio

PASSWORD = "a-password-of-the-tests"
# one cache of wheels for all runs on this machine, so that only the first one downloads
CACHE = Path(os.environ.get("SLIPWAY_TEST_UV_CACHE", "/var/tmp/slipway-test-uv"))
# logged by one program at once: importing MLflow is what takes long
KINDS = ("good", "slow", "broken", "hungry", "uninstallable", "other-environment:1.0.0")


@dataclass
class Api:
    """The REST API of a studio, as a program uses it."""

    studio: Studio
    token: str
    models: dict[str, str] = field(default_factory=dict)  # kind -> models:/name/version
    runs: dict[str, str] = field(default_factory=dict)  # kind -> run id

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer; a web that has just come back and still loads MLflow is asked again."""
        deadline = time.monotonic() + 60
        while True:
            answer = httpx.request(
                method,
                f"{self.studio.url}/api/v1{path}",
                headers={"authorization": f"Bearer {self.token}"},
                timeout=30,
                **options,
            )
            loading = answer.status_code == 503 and answer.json()["code"] == "loading"
            if not loading or time.monotonic() > deadline:
                return answer
            time.sleep(0.5)

    def get(self, path: str) -> Any:
        return self.call("GET", path).json()

    def model(self, kind: str) -> str:
        """URI of a registered version of this kind of model, logged and registered when absent."""
        if kind not in self.models:
            if kind not in self.runs:
                self.runs |= self._train(kind, *(KINDS if not self.runs else ()))
            name = kind.replace(":", "-")
            made = self.call("POST", "/models", json={"run_id": self.runs[kind], "name": name})
            assert made.status_code == 201, made.text
            self.models[kind] = f"models:/{name}/{made.json()['version']}"
        return self.models[kind]

    def _train(self, *kinds: str) -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("train.py")), *kinds],
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": f"{self.studio.url}/mlflow",
                "MLFLOW_TRACKING_TOKEN": self.token,
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        runs: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
        return runs

    def deploy(self, name: str, kind: str = "good", target: str = "local", **more: Any) -> Any:
        """Ask for a deploy; the 202's body."""
        body = {"name": name, "model": self.model(kind), "target": target, **more}
        answer = self.call("POST", "/services", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def wait(
        self, name: str, until: Callable[[dict[str, Any]], bool], seconds: float = 240
    ) -> dict[str, Any]:
        """The service once `until` holds; web may be away meanwhile."""
        deadline, last = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            try:
                answer = self.call("GET", f"/services/{name}")
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                last = answer.json()
                if until(last):
                    return last
            time.sleep(0.2)
        raise AssertionError(f"{name} never got there: {last}\n{self.studio.logs()[-6000:]}")

    def healthy(self, name: str, seconds: float = 240) -> dict[str, Any]:
        return self.wait(name, lambda row: row["state"] == "Healthy", seconds)

    def step(self, name: str, step: str, seconds: float = 120) -> None:
        """Wait until the service's operation runs this step."""

        def runs(row: dict[str, Any]) -> bool:
            operation = self.get(f"/operations/{row['operation']}")
            return any(
                item["name"] == step and item["state"] == "running" for item in operation["steps"]
            )

        self.wait(name, runs, seconds)

    def gone(self, name: str, seconds: float = 60) -> None:
        self.call("DELETE", f"/services/{name}")
        deadline = time.monotonic() + seconds
        while self.call("GET", f"/services/{name}").status_code != 404:
            assert time.monotonic() < deadline, self.get(f"/services/{name}")
            time.sleep(0.2)

    def score(self, name: str, **options: Any) -> httpx.Response:
        uri = f"http://127.0.0.1:{self.studio.gateway_port}/api/v1/service/{name}/score"
        return httpx.post(uri, timeout=30, **options)

    def key(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.get(f'/services/{name}/keys')['primary']}"}


def start(**extra: str) -> Api:
    """A running studio with an API token of its admin."""
    studio = Studio.make(
        SLIPWAY_BASE_IMAGE=os.environ.get("SLIPWAY_TEST_BASE_IMAGE", "slipway-base:bookworm"),
        UV_CACHE_DIR=str(shared_cache()),
        DJANGO_SETTINGS_MODULE="tests.flow.settings",
        PYTHONPATH=str(ROOT),
        **extra,
    ).with_store()
    try:
        studio.up()
        made = studio.manage("token", "create", "admin")
        assert made.returncode == 0, made.stderr
        return Api(studio, made.stdout.split()[-1])
    except BaseException:
        studio.close()
        raise


def shared_cache() -> Path:
    """Folder of uv's cache that the service user may write."""
    from deployments.building.environments import folder_ready

    folder_ready(CACHE, "nobody")
    return CACHE


def containers_remove(node: str) -> None:
    """What a failed test left behind: containers outlive their studio on purpose."""
    if missing("docker"):
        return
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": f"{NODE_LABEL}={node}"}):
        container.remove(force=True)


@pytest.fixture(scope="session")
def relay() -> Iterator[Relay]:
    """What stands between the studio and the Docker engine."""
    made = Relay(Path(f"/tmp/slipway-relay-{uuid.uuid4().hex[:8]}.sock"))
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="session")
def whole_studio(relay: Relay) -> Iterator[Api]:
    """One studio for all tests that leave it running (tests/scheduling.py keeps them together)."""
    made = start(DOCKER_HOST=f"unix://{relay.path}", SLIPWAY_ADMIN_PASSWORD=PASSWORD)
    node = made.studio.data.node_id
    try:
        yield made
    finally:
        made.studio.close()
        containers_remove(node)
