"""A registered model, a scripted target, and a hand that turns the reconcile loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from deployments import targets
from deployments.control import wake
from deployments.drivers.fake import FakeDriver
from deployments.models import Operation, Service
from deployments.services import service_create
from tests.deploy_pages.conftest import empty_store as empty_store
from tests.deploy_pages.conftest import model as model
from tests.factories import TargetFactory
from tests.reconcile.conftest import turn as turn

Create = Callable[..., Operation]
Turn = Callable[..., Service]


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> FakeDriver:
    """The fake driver of this test, known to the core; every wake-up is lost."""
    driver = FakeDriver(folder=tmp_path / "fake")
    monkeypatch.setattr(targets, "_driver", lambda *_: driver)
    monkeypatch.setattr(wake, "_send", lambda publish: None)
    TargetFactory()
    return driver


@pytest.fixture
def create(fake: FakeDriver, model: str, user: User) -> Create:
    """Ask for a service of the model on the fake target; every argument may be replaced."""

    def ask(name: str = "diabetes", **changes: Any) -> Operation:
        usual = {"name": name, "model": f"models:/{model}/1", "target": "fake", "user": user}
        return service_create(**{**usual, **changes})

    return ask
