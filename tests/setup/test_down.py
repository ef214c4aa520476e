"""What `manage.py down` says of services that it cannot stop."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError

from deployments.choices import Desired
from studio.management.commands import down
from tests.factories import ServiceFactory, TargetFactory

pytestmark = pytest.mark.django_db


def said(*options: str) -> str:
    out = StringIO()
    call_command("down", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def services() -> None:
    docker = TargetFactory(name="docker", kind="docker")
    ServiceFactory(name="iris", target=docker)
    ServiceFactory(name="asleep", target=docker, desired=Desired.STOPPED)
    ServiceFactory(name="here", target=TargetFactory(name="local", kind="local"))


def test_services_that_their_target_runs_are_named(services: None) -> None:
    assert "Not stopped, as their targets run them: iris (docker)." in said()


def test_whoever_keeps_serving_is_told_nothing_of_it(services: None) -> None:
    assert "iris" not in said("--keep-serving")


def test_without_a_database_it_stops_the_processes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away() -> list[str]:
        raise OperationalError("no such table: deployments_service")

    monkeypatch.setattr(down, "services_outliving", away)
    assert said().startswith("Nothing runs in ")
