"""Update, stop, start, restart, delete, cancel, retry and keys: what may follow what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from deployments.access.credentials import service_keys, service_keys_regenerate
from deployments.choices import OperationStatus
from deployments.control.operation_requests import operation_cancel, operation_retry
from deployments.control.operations import operation_end
from deployments.drivers.fake import FakeDriver
from deployments.models import Operation, Revision, Service
from deployments.services import (
    service_delete,
    service_restart,
    service_start,
    service_stop,
    service_update,
)
from tests.factories import deploying, long_steps_done, updating
from tests.services.conftest import Create, Turn
from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def service(create: Create, turn: Turn) -> Service:
    """A healthy service of the registered model."""
    operation = create()
    long_steps_done(operation)
    operation.revision.model_sha256, operation.revision.environment_hash = "0" * 64, "1" * 64
    operation.revision.save()
    return turn(operation, lambda row: row.state == "Healthy")


def test_an_update_of_nothing_is_refused(service: Service) -> None:
    with pytest.raises(Invalid, match="No parameters provided"):
        service_update(service=service, user=None)


def test_words_change_without_an_operation(service: Service) -> None:
    before = service.generation
    assert service_update(service=service, description="new", user=None) is None
    assert service_update(service=service, tags={"a": "b"}, user=None) is None
    service.refresh_from_db()
    assert (service.description, service.tags) == ("new", {"a": "b"})
    assert (service.generation, service.revisions.count()) == (before, 1)


@pytest.mark.parametrize("change", ["tags", "deployment"])
def test_a_service_has_at_most_a_hundred_tags(service: Service, change: str) -> None:
    tags = {f"tag{number}": "" for number in range(101)}
    given: dict[str, Any] = {"tags": tags} if change == "tags" else {"deployment": {"tags": tags}}
    with pytest.raises(Invalid, match="at most 100"):
        service_update(service=service, user=None, **given)


def accepts_keys(fake: FakeDriver, number: int) -> bool:
    """Whether the running instance of a revision asks its callers for a key."""
    held = json.loads((fake.folder / f"diabetes-{number}-0.json").read_text())
    return bool(held["auth"]["enabled"])


def test_authentication_changes_only_with_the_revision_that_passed(
    fake: FakeDriver, service: Service, turn: Turn
) -> None:
    def ask(number: int) -> Operation:
        operation = service_update(service=service, deployment={"authEnabled": False}, user=None)
        assert operation is not None
        assert operation.revision.number == number
        long_steps_done(operation)
        values = {"model_sha256": "0" * 64, "environment_hash": "1" * 64, "runtime": "r"}
        Revision.objects.filter(pk=operation.revision_id).update(**values)
        return operation

    fake.play("diabetes-2-0", {"phases": ["exited"], "exit_code": 3, "message": "no"})
    failing = ask(2)
    turn(failing, lambda row: not row.operations.filter(status="Running").exists())
    service.refresh_from_db()
    assert service.active.deployment["auth_enabled"]
    assert accepts_keys(fake, 1)
    turn(service, lambda row: row.state == "Healthy")
    turn(ask(3), lambda row: row.active.number == 3)
    assert not accepts_keys(fake, 3)


def test_every_violation_of_an_update_is_in_one_message(service: Service) -> None:
    with pytest.raises(Invalid) as caught:
        service_update(
            service=service, model="models:/unknown/1", deployment={"workers": 0}, user=None
        )
    assert set(caught.value.fields) == {"model", "workers"}
    assert service.revisions.count() == 1


def test_a_new_deployment_configuration_keeps_what_it_does_not_name(service: Service) -> None:
    operation = service_update(service=service, deployment={"maxQueueWaitMs": 9}, user=None)
    assert operation is not None
    first, second = service.revisions.get(number=1), operation.revision
    assert second.deployment == {**first.deployment, "max_queue_wait_ms": 9}
    assert (second.model_uri, second.number) == (first.model_uri, 2)
    assert service.generation == operation.generation == 2
    assert service.active == first


def test_an_update_starts_from_what_is_wanted_not_from_what_failed(service: Service) -> None:
    operation = service_update(service=service, deployment={"maxQueueWaitMs": 9}, user=None)
    operation_end(operation, OperationStatus.FAILED, "it did not load")
    Service.objects.filter(pk=service.pk).update(wanted=service.revisions.get(number=1))
    service.refresh_from_db()
    again = service_update(service=service, deployment={"scoringTimeoutMs": 700}, user=None)
    assert again.revision.number == 3
    assert again.revision.deployment["max_queue_wait_ms"] == 500
    assert again.revision.deployment["scoring_timeout_ms"] == 700


@pytest.mark.parametrize(
    "change", [{"deployment": {"maxQueueWaitMs": -1}}, {"deployment": []}, {"model": "x"}]
)
def test_a_wrong_update_changes_nothing(service: Service, change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        service_update(service=service, user=None, **change)
    assert (service.revisions.count(), Operation.objects.count()) == (1, 1)


@pytest.mark.parametrize("verb", ["update", "start", "restart"])
def test_a_change_while_one_is_open_is_a_conflict(create: Create, verb: str) -> None:
    service = create().service
    change = {
        "update": lambda: service_update(
            service=service, deployment={"maxQueueWaitMs": 1}, user=None
        ),
        "start": lambda: service_start(service=service, user=None),
        "restart": lambda: service_restart(service=service, user=None),
    }[verb]
    with pytest.raises(Conflict):
        change()
    service.refresh_from_db()
    assert (service.generation, service.revisions.count()) == (1, 1)


@pytest.mark.parametrize("verb", [service_stop, service_delete])
def test_stop_and_delete_are_always_accepted_and_cancel_what_is_open(
    create: Create, verb: Any
) -> None:
    deploy = create()
    after = verb(service=deploy.service, user=None)
    deploy.refresh_from_db()
    assert (deploy.status, after.status) == ("Cancelled", "Running")
    assert deploy.ended_at is not None


def test_a_service_that_is_being_deleted_takes_no_other_change(service: Service) -> None:
    service_delete(service=service, user=None)
    for verb in (service_stop, service_start, service_restart):
        with pytest.raises(Conflict):
            verb(service=service, user=None)


def test_a_running_service_is_not_started_nor_a_stopped_one_restarted(service: Service) -> None:
    with pytest.raises(Conflict, match="running already"):
        service_start(service=service, user=None)
    service_stop(service=service, user=None)
    with pytest.raises(Conflict, match="start it instead"):
        service_restart(service=service, user=None)


def test_what_is_gone_is_not_found(service: Service) -> None:
    Service.objects.all().delete()
    for verb in (service_stop, service_delete):
        with pytest.raises(NotFound):
            verb(service=service, user=None)
    with pytest.raises(NotFound):
        service_update(service=service, description="x", user=None)
    with pytest.raises(NotFound):
        service_keys_regenerate(service=service, key="primary", user=None)


def test_deleting_twice_is_the_same_operation(service: Service) -> None:
    first = service_delete(service=service, user=None)
    assert service_delete(service=service, user=None) == first


# --- cancel and retry ---------------------------------------------------------------------------


def test_what_stops_or_deletes_or_has_ended_cannot_be_cancelled(service: Service) -> None:
    ended = service.operations.get()
    stop = service_stop(service=service, user=None)
    for operation in (ended, stop):
        with pytest.raises(Conflict):
            operation_cancel(operation=operation, user=None)


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled"])
def test_what_did_not_succeed_is_tried_again_with_its_own_revision(
    fake: FakeDriver, status: str
) -> None:
    operation = deploying("diabetes")
    operation_end(operation, OperationStatus(status), "a cause")
    again = operation_retry(operation=operation, user=None)
    assert again != operation
    assert (again.kind, again.revision, again.status) == ("deploy", operation.revision, "Running")
    assert Service.objects.get().wanted == operation.revision


def test_a_failed_update_is_tried_again_after_it_fell_back(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    fake.play("diabetes-2-0", {"phases": ["exited"], "exit_code": 3, "message": "no"})
    failed = updating(service)
    turn(service, lambda row: row.reason == "UpdateFailed")
    fake.play("diabetes-2-0", {"phases": ["running"]})
    failed.refresh_from_db()
    again = operation_retry(operation=failed, user=None)
    long_steps_done(again)
    service = turn(service, lambda row: row.state == "Healthy" and row.reason == "Ready")
    assert service.active == failed.revision


def test_what_is_open_succeeded_or_out_of_date_is_not_tried_again(fake: FakeDriver) -> None:
    operation = deploying("diabetes")
    with pytest.raises(Conflict):
        operation_retry(operation=operation, user=None)
    operation_end(operation, OperationStatus.SUCCEEDED)
    with pytest.raises(Conflict):
        operation_retry(operation=operation, user=None)
    other = deploying("other")
    operation_end(other, OperationStatus.FAILED, "a cause")
    Service.objects.filter(name="other").update(generation=2)
    other.refresh_from_db()
    with pytest.raises(Conflict, match="out of date"):
        operation_retry(operation=other, user=None)


def test_an_operation_of_a_service_that_is_gone_is_not_tried_again(fake: FakeDriver) -> None:
    operation = deploying("diabetes")
    operation_end(operation, OperationStatus.FAILED, "a cause")
    Service.objects.all().delete()
    operation.refresh_from_db()
    with pytest.raises(NotFound):
        operation_retry(operation=operation, user=None)


# --- keys -----------------------------------------------------------------------------------------


def test_keys_are_shown_with_an_event_that_does_not_hold_them(service: Service, user: User) -> None:
    shown = service_keys(service=service, user=user)
    assert shown["primary"] != shown["secondary"]
    event = Event.objects.get(kind="service.keys_shown")
    assert event.actor == user
    assert not any(key in f"{event.message}{event.data}" for key in shown.values())
    assert not any(key in str(service.keys) for key in shown.values())


@pytest.mark.parametrize(("key", "other"), [("primary", "secondary"), ("secondary", "primary")])
def test_one_key_is_replaced_and_the_other_stays(service: Service, key: str, other: str) -> None:
    before = service_keys(service=service, user=None)
    service_keys_regenerate(service=service, key=key, user=None)
    after = service_keys(service=service, user=None)
    assert after[key] != before[key]
    assert after[other] == before[other]
    assert service.keys_version == 2
    assert Event.objects.filter(kind="service.key_regenerated").count() == 1


@pytest.mark.parametrize("key", ["studio", "", None, "PRIMARY", ["primary"]])
def test_no_other_key_can_be_replaced(service: Service, key: Any) -> None:
    before = service.keys
    with pytest.raises(Invalid) as caught:
        service_keys_regenerate(service=service, key=key, user=None)
    assert list(caught.value.fields) == ["key"]
    service.refresh_from_db()
    assert service.keys == before


def test_new_keys_reach_the_running_instance(
    fake: FakeDriver, turn: Turn, service: Service
) -> None:
    service_keys_regenerate(service=service, key="primary", user=None)
    turn(service, lambda row: fake.observe("diabetes-1-0", fake.folder).auth_version == 2)
    assert fake.applied("diabetes-1-0") == 1


def test_new_keys_reach_the_revision_that_serves_on_during_an_update(
    fake: FakeDriver, turn: Turn, service: Service
) -> None:
    fake.play("diabetes-2-0", {"phases": ["running"], "ready": False})
    updating(service)
    turn(service, lambda _: len(list(fake.names())) == 2)
    service_keys_regenerate(service=service, key="primary", user=None)
    turn(service, lambda _: fake.observe("diabetes-1-0", fake.folder).auth_version == 2)
