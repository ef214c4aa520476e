"""The studio of a test, empty or full, and what every page of it must keep to."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from deployments.control import wake
from tests.browser.every_page import crowd, crowd_environments
from tests.browser.harness import RESULTS, THEMES, assert_accessible, assert_fits
from tests.tracking.mlflow_store import make_template

MANY = 1000
COLOURS_ARRIVED = """() => Promise.all(document.getAnimations()
    .filter(one => one instanceof CSSTransition).map(one => one.finished.catch(() => 0)))"""
LOADING = "main :is([data-lazy], .htmx-request, .skeleton):visible"


@pytest.fixture(autouse=True)
def no_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker runs here: every wake-up is lost, and the rows say what was asked for."""
    monkeypatch.setattr(wake, "_send", lambda publish: None)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


def open_page(page: Page, path: str) -> None:
    """Opens a page and waits until what loads by itself is there and every chart is drawn."""
    page.goto(path, wait_until="load")
    expect(page.locator(LOADING), path).to_have_count(0, timeout=20_000)


@dataclass(frozen=True)
class World:
    """What there is to open."""

    run_id: str
    model: str
    long_model: str


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, settings: Any) -> Path:
    """An MLflow store of this test without anything in it; the studio reads it."""
    database = tmp_path / "mlflow.db"
    shutil.copy(empty_store, database)
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY, tracking_uri=f"sqlite:///{database}", artifact_root=str(tmp_path)
    )
    return database


@pytest.fixture
def fill(store: Path, tmp_path: Path, admin: User) -> Callable[[int], World]:
    """fill(count): writes that many of everything that the studio shows."""

    def fill(count: int) -> World:
        model = crowd.model_write(tmp_path / "model")
        run_id = crowd.tracking_write(store, model, count)
        crowd.services_write(count, admin)
        crowd.people_write(count)
        crowd_environments.environments_write(count)
        return World(run_id, crowd.MODEL, crowd.LONG_MODEL)

    return fill


@pytest.fixture
def visit(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """visit(path): the page fits, is accessible in both themes, and has asked for nothing odd.

    What it looks like is kept below test-results/.
    """

    prefix = request.path.stem.removeprefix("test_")

    def visit(path: str) -> None:
        open_page(page, path)
        RESULTS.mkdir(exist_ok=True)
        name = "".join(c if c.isalnum() else "-" for c in f"{prefix}-{path.strip('/')}")[:90]
        for theme in THEMES:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
            page.evaluate(COLOURS_ARRIVED)
            assert_fits(page)
            assert_accessible(page, None if theme == THEMES[0] else ("color-contrast",))
            page.screenshot(path=RESULTS / f"{name}-{theme}.png")

    return visit
