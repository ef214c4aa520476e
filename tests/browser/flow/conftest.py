"""One whole studio for these tests: started as a person does, with runs that a client logged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from playwright.sync_api import BrowserContext, Page

from deployments.drivers.docker_layout import NODE_LABEL
from tests.engines import missing
from tests.setup.studio_process import Studio

PASSWORD = "a-password-of-the-tests"
TRAIN = Path(__file__).with_name("train.py")


@dataclass(frozen=True)
class TrainedRun:
    """A run with a model, and what that model answers to its own input example."""

    run_id: str
    answer: list[float]


@pytest.fixture(scope="session")
def studio(base_image: str) -> Iterator[Studio]:
    studio = Studio.make(SLIPWAY_ADMIN_PASSWORD=PASSWORD, SLIPWAY_BASE_IMAGE=base_image)
    try:
        studio.up()
        yield studio
    finally:
        node = studio.data.node_id
        studio.close()
        containers_remove(node)


def containers_remove(node: str) -> None:
    """What a failed test left behind: containers outlive their studio on purpose."""
    if missing("docker"):
        return
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": f"{NODE_LABEL}={node}"}):
        container.remove(force=True)


@pytest.fixture(scope="session")
def trained(studio: Studio) -> dict[str, TrainedRun]:
    """One run for each target, logged through the studio's own MLflow address."""
    made = studio.manage("token", "create", "admin", "--name", "training")
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip().splitlines()[-1].split()[-1]
    done = subprocess.run(
        [sys.executable, str(TRAIN), "2"],
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": f"{studio.url}/mlflow",
            "MLFLOW_TRACKING_TOKEN": token,
        },
        cwd=studio.root,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n{studio.logs()}"
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(zip(("local", "docker"), (TrainedRun(**row) for row in rows), strict=True))


@pytest.fixture
def base_url(studio: Studio) -> str:
    return studio.url


@dataclass
class Hands:
    """What a person did in the pages since the last `reset`: real presses, no scripted ones."""

    clicks: int = 0
    keys: int = 0

    def reset(self) -> None:
        self.clicks = self.keys = 0

    def report(self, kind: str) -> None:
        if kind == "pointerdown":
            self.clicks += 1
        else:
            self.keys += 1


COUNT_HANDS = """
for (const kind of ["pointerdown", "keydown"])
  addEventListener(kind, (event) => event.isTrusted && window.reportHands(kind), true);
"""


@pytest.fixture
def hands(context: BrowserContext) -> Hands:
    hands = Hands()
    context.expose_function("reportHands", hands.report)
    context.add_init_script(COUNT_HANDS)
    return hands


@pytest.fixture
def signed_in(hands: Hands, page: Page) -> Page:
    """The page of the administrator, who signed in by the form."""
    page.goto("/login/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    hands.reset()
    return page
