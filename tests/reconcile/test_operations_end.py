"""Every operation ends, whatever happens to its service, its target and its workers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from config.paths import DataFolder
from deployments.control import sweep, teardown
from deployments.control.operations import EARLY_LIMIT
from deployments.drivers.docker import DockerDriver
from deployments.drivers.fake import FakeDriver
from deployments.models import Operation, Revision, Service
from deployments.services import service_delete, service_start, service_stop
from tests.factories import deploying, long_steps_done, updating

Turn = Callable[..., Service]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_delete_ends_even_when_the_engine_of_its_images_is_away(
    fake: FakeDriver, turn: Turn, tmp_path: Path
) -> None:
    service = turn(deploying("diabetes"))
    Revision.objects.update(image="slipway/service:none")
    operation = service_delete(service=service, user=None)
    away = DockerDriver(base_url=f"unix://{tmp_path}/no.sock", node="here")
    teardown.clean_up(service, operation, away)
    operation.refresh_from_db()
    assert (operation.status, operation.service_id) == ("Succeeded", None)
    assert {step.state for step in operation.steps.all()} == {"succeeded"}
    assert not Service.objects.exists()


def test_the_sweep_ends_operations_that_lost_their_service(
    fake: FakeDriver, turn: Turn, data: DataFolder
) -> None:
    service = turn(deploying("diabetes"))
    delete = service_delete(service=service, user=None)
    deploy = deploying("other")
    Service.objects.all().delete()  # as a worker did that was killed before it ended the operation
    sweep.run()
    for operation, status in ((delete, "Succeeded"), (deploy, "Cancelled")):
        operation.refresh_from_db()
        assert (operation.status, operation.ended_at is None) == (status, False)
        assert not operation.steps.filter(ended_at=None).exclude(state="skipped").exists()
    assert not Operation.objects.filter(status="Running").exists()


def _long_ago(operation: Operation, since: timedelta) -> None:
    Operation.objects.filter(pk=operation.pk).update(created_at=timezone.now() - since)
    operation.steps.exclude(ended_at=None).update(ended_at=timezone.now() - since)


def test_a_stop_that_takes_too_long_ends_and_reconcile_goes_on(
    fake: FakeDriver, turn: Turn
) -> None:
    service = turn(deploying("diabetes"))
    fake.play("*", {"unreachable": True})
    operation = service_stop(service=service, user=None)
    turn(service, lambda row: row.reason == "TargetUnreachable")
    _long_ago(operation, timedelta(hours=1))
    turn(service, lambda _: not Operation.objects.get(pk=operation.pk).is_open)
    operation.refresh_from_db()
    assert operation.status == "TimedOut"
    assert "The fake target is away" in operation.error
    service.refresh_from_db()
    assert service.desired == "stopped"
    fake.play("*", {})
    assert turn(service, lambda row: row.state == "Stopped").message == ""


def test_after_a_stop_that_took_too_long_start_is_accepted(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    fake.play("diabetes", {"stays": 1000})
    operation = service_stop(service=service, user=None)
    _long_ago(operation, timedelta(hours=1))
    turn(service, lambda _: not Operation.objects.get(pk=operation.pk).is_open)
    fake.play("diabetes", {})
    long_steps_done(service_start(service=service, user=None))
    turn(service, lambda row: row.state == "Healthy")


def test_a_delete_that_takes_too_long_ends_and_is_carried_out_later(
    fake: FakeDriver, turn: Turn
) -> None:
    service = turn(deploying("diabetes"))
    fake.play("*", {"unreachable": True})
    operation = service_delete(service=service, user=None)
    turn(service, lambda row: bool(row.message))
    _long_ago(operation, timedelta(hours=1))
    turn(service, lambda _: not Operation.objects.get(pk=operation.pk).is_open)
    operation.refresh_from_db()
    assert operation.status == "TimedOut"
    again = service_delete(service=service, user=None)
    assert again != operation
    fake.play("*", {})
    with pytest.raises(Service.DoesNotExist):
        turn(service, lambda _: False)


def test_a_step_before_start_that_never_ends_times_out_with_its_reason(
    fake: FakeDriver, turn: Turn
) -> None:
    operation = deploying("diabetes", prepared=False)
    service = Service.objects.get(name="diabetes")
    operation.steps.filter(name="Queued").update(state="succeeded", ended_at=timezone.now())
    operation.steps.filter(name="Copy model").update(message="MLflow does not answer.")
    _long_ago(operation, EARLY_LIMIT + timedelta(seconds=1))
    service = turn(service, lambda row: row.state == "Failed")
    operation.refresh_from_db()
    assert operation.status == "TimedOut"
    assert "Copy model" in operation.error
    assert "MLflow does not answer." in operation.error
    assert service.message == operation.error


def test_an_update_in_time_is_left_alone(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    operation = updating(service)
    _long_ago(operation, EARLY_LIMIT - timedelta(minutes=1))
    turn(service, lambda row: row.state == "Healthy" and row.active_id == operation.revision_id)


def test_an_update_that_lost_its_target_falls_back_to_one_revision(
    fake: FakeDriver, turn: Turn
) -> None:
    service = turn(deploying("diabetes"))
    first = service.active_id
    fake.play("diabetes-2-0", {"phases": ["running"], "ready": False})
    operation = updating(service)
    turn(service, lambda _: len(list(fake.names())) == 2)
    fake.play("*", {"unreachable": True})
    turn(service, lambda row: row.reason == "TargetUnreachable")
    Operation.objects.filter(pk=operation.pk).update(deadline=timezone.now())
    turn(service, lambda _: not Operation.objects.get(pk=operation.pk).is_open)
    operation.refresh_from_db()
    assert (operation.status, operation.target_lost) == ("TimedOut", True)
    fake.play("*", {})
    service = turn(
        service, lambda row: row.state == "Healthy" and list(fake.names()) == ["diabetes-1-0"]
    )
    assert (service.active_id, service.wanted_id, service.reason) == (first, first, "UpdateFailed")
