"""One whole studio for these tests: started as a person does, with runs that a client logged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.flow.api import PASSWORD, Api
from tests.setup.studio_process import Studio

TRAIN = Path(__file__).with_name("train.py")


@dataclass(frozen=True)
class TrainedRun:
    """A run with a model, and what that model answers to its own input example."""

    run_id: str
    answer: list[float]


@pytest.fixture(scope="session")
def studio(whole_studio: Api) -> Studio:
    """The one studio of the tests that leave it running."""
    return whole_studio.studio


@pytest.fixture(scope="session")
def trained(studio: Studio, whole_studio: Api) -> dict[str, TrainedRun]:
    """One run for each target, logged through the studio's own MLflow address."""
    done = subprocess.run(
        [sys.executable, str(TRAIN), "2"],
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": f"{studio.url}/mlflow",
            "MLFLOW_TRACKING_TOKEN": whole_studio.token,
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


# Not while capturing: there Playwright stops a press whose target has just moved, and tries again.
COUNT_HANDS = """
for (const kind of ["pointerdown", "keydown"])
  addEventListener(kind, (event) => event.isTrusted && window.reportHands(kind));
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
    page.wait_for_url(re.compile(r"//[^/]+/$"))  # home; the form is at /login/
    hands.reset()
    return page
