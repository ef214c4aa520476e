"""Stop, start, restart and delete of a service on a scripted target."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from config.paths import DataFolder
from deployments import targets
from deployments.building import runtimes
from deployments.control import reconcile
from deployments.control.instances import instance_spec
from deployments.control.routes import compute
from deployments.drivers.fake import FakeDriver
from deployments.models import Operation, Port, Revision, Service
from deployments.selectors import service_log
from deployments.services import service_delete, service_restart, service_start, service_stop
from registry.models import VersionUse
from serving.contract import APPLIED_FILE
from tests.factories import deploying, long_steps_done
from workspaces.errors import Conflict

Turn = Callable[..., Service]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_stopped_service_leaves_nothing_running(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    operation = service_stop(service=service, user=None)
    service = turn(service, lambda row: row.state == "Stopped")
    operation.refresh_from_db()
    assert operation.status == "Succeeded"
    assert list(fake.names()) == []
    assert not Port.objects.exists()
    assert compute()["diabetes"] == {"backends": [], "reason": "The service is stopped."}


def test_a_stop_that_takes_its_time_is_transitioning_until_then(
    fake: FakeDriver, turn: Turn
) -> None:
    service = turn(deploying("diabetes"))
    fake.play("diabetes", {"stays": 3})
    service_stop(service=service, user=None)
    assert turn(service, lambda _: True).state == "Transitioning"
    turn(service, lambda row: row.state == "Stopped")


def test_a_stopped_service_starts_again(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    service_stop(service=service, user=None)
    service = turn(service, lambda row: row.state == "Stopped")
    operation = service_start(service=service, user=None)
    long_steps_done(operation)
    service = turn(service, lambda row: row.state == "Healthy")
    operation.refresh_from_db()
    assert operation.status == "Succeeded"
    assert len(compute()["diabetes"]["backends"]) == 1


def test_a_restart_makes_the_process_anew(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    before = fake.applied("diabetes-1-0")
    operation = service_restart(service=service, user=None)
    long_steps_done(operation)
    turn(
        service, lambda row: row.state == "Healthy" and not row.operations.filter(status="Running")
    )
    operation.refresh_from_db()
    assert operation.status == "Succeeded"
    assert fake.applied("diabetes-1-0") == before + 1


def test_a_deleted_service_is_gone_and_its_operations_stay(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    VersionUse.objects.create(store="store", name="diabetes", version="1", service="diabetes")
    operation = service_delete(service=service, user=None)
    with pytest.raises(Service.DoesNotExist):
        turn(service, lambda _: False)
    operation.refresh_from_db()
    assert (operation.status, operation.service_name) == ("Succeeded", "diabetes")
    assert Operation.objects.count() == 2
    assert not VersionUse.objects.exists()
    assert list(fake.names()) == []
    assert "diabetes" not in compute()


def test_delete_cancels_what_is_under_way(fake: FakeDriver, turn: Turn) -> None:
    deploy = deploying("diabetes")
    service = Service.objects.get(name="diabetes")
    service_delete(service=service, user=None)
    deploy.refresh_from_db()
    assert deploy.status == "Cancelled"
    with pytest.raises(Service.DoesNotExist):
        turn(service, lambda _: False)


def test_a_second_change_meets_a_conflict(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    service_restart(service=service, user=None)
    with pytest.raises(Conflict) as caught:
        service_restart(service=service, user=None)
    assert caught.value.code == "operation_open"


def test_deleting_twice_is_the_same_operation(fake: FakeDriver, turn: Turn) -> None:
    service = turn(deploying("diabetes"))
    first = service_delete(service=service, user=None)
    service.refresh_from_db()
    assert service_delete(service=service, user=None) == first


def test_an_upgrade_of_slipway_restarts_nothing(
    fake: FakeDriver, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = turn(deploying("diabetes"))
    before = fake.applied("diabetes-1-0")
    monkeypatch.setattr(runtimes, "version", lambda: "another")
    service = turn(service, lambda _: True)
    assert (service.state, fake.applied("diabetes-1-0")) == ("Healthy", before)
    assert instance_spec(service, service.wanted).runtime_dir.name == "version-3.11"


def test_a_gateway_that_takes_no_routes_does_not_keep_a_service_from_stopping(
    fake: FakeDriver, turn: Turn, data: DataFolder
) -> None:
    service = turn(deploying("diabetes"))
    operation = service_stop(service=service, user=None)
    report = {"pid": os.getpid(), "version": 0}  # it lives, and hangs
    (data.run / APPLIED_FILE).write_text(json.dumps(report))
    assert turn(service, lambda _: True).state == "Transitioning"
    long_ago = timezone.now() - timedelta(seconds=reconcile.ROUTE_WAIT_SECONDS + 1)
    Operation.objects.filter(pk=operation.pk).update(created_at=long_ago)
    turn(service, lambda row: row.state == "Stopped")
    assert list(fake.names()) == []


class TimedLogs(FakeDriver):
    """A target whose logs go with an instance; positions grow over all its lives, as Docker's."""

    def logs(self, name: str, folder: Path, since: int = 0, limit: int = 65_536) -> tuple[str, int]:
        start = 10**15  # no byte of a kept log is that far
        life = self.applied(name)
        there = self._instance(name) is not None and since <= start + life
        return (f"life {life}\n", start + life + 1) if there else ("", since)


def test_the_log_of_every_life_of_a_container_is_kept(
    fake: FakeDriver, turn: Turn, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = TimedLogs(fake.folder, builds_image=True)
    monkeypatch.setattr(targets, "_driver", lambda *_: timed)
    operation = deploying("diabetes")
    Revision.objects.update(image="slipway/service:1")
    service = turn(operation)
    long_steps_done(service_restart(service=service, user=None))
    service = turn(
        service, lambda row: row.state == "Healthy" and not row.operations.filter(status="Running")
    )
    assert whole_log(service) == "life 1\nlife 2\n"
    service_stop(service=service, user=None)
    service = turn(service, lambda row: row.state == "Stopped")
    assert whole_log(service) == "life 1\nlife 2\n"


def whole_log(service: Service) -> str:
    """As somebody reads it who follows it from the beginning."""
    text, offset = "", 0
    for _ in range(4):
        chunk = service_log(service, offset)
        text, offset = text + chunk.text, chunk.next_offset
    return text
