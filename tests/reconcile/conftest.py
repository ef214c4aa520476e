"""A fake target with a script, and a hand that turns the reconcile loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from config.paths import DataFolder
from deployments import targets
from deployments.control import reconcile, steps, wake
from deployments.drivers.fake import FakeDriver
from deployments.models import Operation, Service, Target
from tests.factories import TargetFactory


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> FakeDriver:
    """The fake driver of this test, known to the core."""
    driver = FakeDriver(folder=tmp_path / "fake")
    monkeypatch.setattr(targets, "_driver", lambda *_: driver)
    # every wake-up is lost: the database alone must be enough
    monkeypatch.setattr(wake, "_send", lambda publish: None)
    TargetFactory()
    return driver


@pytest.fixture
def data(tmp_path: Path, fake: FakeDriver, settings: Any) -> DataFolder:
    """A data folder of this test alone, with the fake target as the only one."""
    made = DataFolder(tmp_path / "data")
    made.run.mkdir(parents=True)
    settings.DATA, settings.SLIPWAY_DRIVERS = made, {"fake": "unused"}
    Target.objects.update(node=made.node_id)
    return made


@pytest.fixture
def turn(fake: FakeDriver) -> Callable[..., Service]:
    """Step a service until `until` holds; the long steps run in between as their worker would."""

    def until_true(
        service_or_operation: Service | Operation,
        until: Callable[[Service], bool] = lambda service: service.state != "Transitioning",
        limit: int = 40,
    ) -> Service:
        service = (
            service_or_operation
            if isinstance(service_or_operation, Service)
            else Service.objects.get(operations=service_or_operation)
        )
        for _ in range(limit):
            Service.objects.filter(pk=service.pk).update(next_check_at=timezone.now())
            reconcile.step(service.pk)
            for operation in Operation.objects.filter(service=service.pk, status="Running"):
                steps.run_steps(str(operation.pk))
            service.refresh_from_db()
            if until(service):
                return service
        raise AssertionError(f"never happened: {service.state} {service.reason} {service.message}")

    return until_true
