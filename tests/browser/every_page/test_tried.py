"""What was tried and measured, on both pages that show it, and how a trial is followed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from deployments.building import runtimes
from deployments.choices import OperationKind, OperationStatus
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.models import Finding, Operation
from deployments.trying.profile_plan import Wanted, level_of, profile_result
from registry import selectors as registry
from registry.models import VersionRecord
from tests.browser.every_page import crowd
from tests.browser.every_page.conftest import World
from tests.browser.harness import Watch
from workspaces.tracking import store_id

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "ValueError: " + "no-such-thing-" * 30


@pytest.fixture
def world(fill: Callable[[int], World], sign_in: Any, admin: Any) -> World:
    sign_in(admin)
    made = fill(8)
    registry.version_get(made.model, "1")
    return made


def keep(kind: str, **changes: Any) -> None:
    # of this test's store: an open page of the test before may still have asked for its own
    record = VersionRecord.objects.get(store=store_id(), name=crowd.MODEL, version="1")
    check = {"name": "load", "result": "failed", "sentence": LONG, "next_step": "Mend it."}
    usual: dict[str, Any] = {
        **{"record": record, "identity": record.identity, "kind": kind, "target": "local"},
        **{"runtime": "older", "result": "failed", "operation": uuid.uuid4(), "checks": [check]},
        **{"asked": {"deployment": DeploymentConfiguration().as_dict(), "inference": {}}},
        **{"measured": {"traceback": f"Traceback\n{LONG}"}},
    }
    Finding.objects.create(**{**usual, **changes})


def profiled() -> dict[str, Any]:
    levels = [level_of(n, 1.0, [n * 2.0] * 100 * n, 0, cpu=0.5, memory_mb=200) for n in (1, 2, 4)]
    return profile_result(levels, Wanted(), cpu=1, memory_mb=1024, stopped="Enough.")


def test_a_versions_page_shows_both_and_draws_the_chart(
    world: World, visit: Callable[[str], None], page: Page
) -> None:
    keep(OperationKind.PREFLIGHT)
    keep(OperationKind.PROFILE, measured=profiled(), runtime=runtimes.version())
    visit(f"/models/{world.model}/versions/1/")
    expect(page.locator("#profile-chart .main-svg").first).to_be_visible()
    page.get_by_text("Traceback", exact=True).click()
    expect(page.locator("#traceback-1")).to_contain_text("no-such-thing")
    page.get_by_role("button", name="Measure again").click()
    expect(page.locator("#profile")).to_contain_text("Profile: Queued…")
    assert Operation.objects.filter(kind="profile").count() == 1


def test_try_it_first_is_followed_on_the_deploy_page(
    world: World, visit: Callable[[str], None], page: Page, watch: Watch
) -> None:
    watch.allow(422)
    keep(OperationKind.PREFLIGHT)
    visit(f"/deploy/?model={world.model}&version=1")
    trial = page.locator("#trial")
    expect(trial).to_contain_text("Slipway was updated since.")
    page.get_by_text("Try it with your own sample").click()
    page.get_by_label("A request").fill("{")
    page.get_by_role("button", name="Try it again").click()
    expect(trial.get_by_role("alert")).to_contain_text("is no JSON")
    page.get_by_label("A request").fill('{"inputs": [1]}')
    page.get_by_role("button", name="Try it again").click()
    expect(trial).to_contain_text("Pre-flight: Queued…")
    Operation.objects.filter(kind="preflight").update(
        status=OperationStatus.CANCELLED, ended_at=timezone.now()
    )
    expect(trial).to_contain_text("The last trial: Cancelled.")
    expect(page.get_by_role("button", name="Try it again")).to_be_enabled()
