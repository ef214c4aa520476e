"""A deploy on a scripted target, from Transitioning to its end."""

from collections.abc import Callable

import pytest

from deployments.choices import Desired, StepState
from deployments.control.operation_requests import operation_cancel
from deployments.drivers.fake import FakeDriver
from deployments.models import Operation, Port, Service
from tests.factories import deploying, updating
from workspaces.models import Event

Turn = Callable[..., Service]
pytestmark = pytest.mark.django_db(transaction=True)


def test_it_becomes_healthy_and_every_step_has_a_start_and_an_end(
    fake: FakeDriver, turn: Turn
) -> None:
    operation = deploying("diabetes")
    service = turn(operation)
    assert (service.state, service.active_id) == ("Healthy", service.wanted_id)
    operation.refresh_from_db()
    assert operation.status == "Succeeded"
    for step in operation.steps.all():
        assert step.state == StepState.SUCCEEDED, step.name
        assert step.started_at <= step.ended_at


def test_each_transition_leaves_one_event(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    turn(service, lambda _: True)
    changes = Event.objects.filter(kind="service.state", subject="diabetes")
    assert [event.data["to"] for event in changes] == ["Healthy"]


def test_a_crash_while_starting_is_failed_at_once_with_the_cause(
    fake: FakeDriver, turn: Turn
) -> None:
    fake.play(
        "broken",
        {"phases": ["exited"], "exit_code": 3, "message": "No module named 'x'", "log": "boom\n"},
    )
    operation = deploying("broken")
    service = turn(operation)
    assert service.state == "Failed"
    assert "No module named 'x'" in service.message
    operation.refresh_from_db()
    assert operation.status == "Failed"
    from deployments.selectors import operation_log

    assert "boom" in operation_log(operation, 0).text
    turn(service, lambda _: True)
    assert list(fake.names()) == []
    assert not Port.objects.exists()


def test_too_little_memory_says_so(fake: FakeDriver, turn: Turn) -> None:
    fake.play(
        "hungry",
        {"phases": ["exited"], "out_of_memory": True, "message": "used 612 of 512 MB"},
    )
    service = turn(deploying("hungry"))
    assert service.state == "Failed"
    assert "used 612 of 512 MB" in service.message


def test_no_capacity_is_unschedulable_and_tried_again(fake: FakeDriver, turn: Turn) -> None:
    fake.play("big", {"no_capacity": "8 GB were asked for, 1 GB is free."})
    service = turn(deploying("big"))
    assert (service.state, service.message) == (
        "Unschedulable",
        "8 GB were asked for, 1 GB is free.",
    )
    fake.play("big", {})
    assert turn(service, lambda row: row.state == "Healthy").state == "Healthy"


def test_a_spec_that_can_never_run_is_failed_at_once(fake: FakeDriver, turn: Turn) -> None:
    fake.play("odd", {"invalid": "The image is not there."})
    service = turn(deploying("odd"), lambda row: row.state == "Failed")
    assert "The image is not there." in service.message


def test_an_unreachable_target_is_unhealthy_and_recovers(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    fake.play("*", {"unreachable": True})
    service = turn(service, lambda row: row.state != "Healthy")
    assert (service.state, service.reason) == ("Unhealthy", "TargetUnreachable")
    fake.play("*", {})
    turn(service, lambda row: row.state == "Healthy")


def test_an_instance_that_vanishes_is_brought_back(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    fake.remove("diabetes-1-0", fake.folder)
    turn(service, lambda row: row.state == "Healthy" and list(fake.names()) != [])
    assert list(fake.names()) == ["diabetes-1-0"]


def test_a_deploy_that_never_gets_ready_times_out(
    fake: FakeDriver, turn: Turn, settings: object
) -> None:
    from datetime import timedelta

    from django.utils import timezone

    fake.play("slow", {"phases": ["running"], "ready": False})
    operation = deploying("slow")
    turn(operation, lambda _: True)
    Operation.objects.filter(pk=operation.pk).update(deadline=timezone.now() - timedelta(seconds=1))
    service = turn(operation, lambda row: row.state == "Failed")
    operation.refresh_from_db()
    assert operation.status == "TimedOut"
    turn(service, lambda _: list(fake.names()) == [])


def test_cancelling_a_first_deploy_leaves_stopped(fake: FakeDriver, turn: Turn) -> None:
    fake.play("slow", {"phases": ["running"], "ready": False})
    operation = deploying("slow")
    turn(operation, lambda _: list(fake.names()) != [])
    operation_cancel(operation=operation, user=None)
    service = turn(operation, lambda row: row.state == "Stopped")
    operation.refresh_from_db()
    assert (operation.status, service.desired) == ("Cancelled", Desired.STOPPED)
    assert list(fake.names()) == []


def test_an_update_switches_and_the_old_revision_goes(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    operation = updating(service)
    service = turn(
        service, lambda row: row.state == "Healthy" and list(fake.names()) == ["diabetes-2-0"]
    )
    assert service.active_id == operation.revision_id


def test_a_failed_update_keeps_the_old_revision_serving(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    first = service.active_id
    fake.play("diabetes-2-0", {"phases": ["exited"], "message": "ValueError: bad model"})
    updating(service)
    service = turn(
        service, lambda row: row.state == "Healthy" and list(fake.names()) == ["diabetes-1-0"]
    )
    assert (service.active_id, service.wanted_id) == (first, first)
    assert service.reason == "UpdateFailed"
    assert "ValueError: bad model" in service.message


def test_cancelling_an_update_leaves_the_old_revision_serving(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    first = service.active_id
    fake.play("diabetes-2-0", {"phases": ["running"], "ready": False})
    operation = updating(service)
    turn(service, lambda _: len(list(fake.names())) == 2)
    operation_cancel(operation=operation, user=None)
    service = turn(
        service, lambda row: row.state == "Healthy" and list(fake.names()) == ["diabetes-1-0"]
    )
    assert service.wanted_id == first
