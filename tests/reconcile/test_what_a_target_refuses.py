"""What a target says no to is read on the service, and keeps nothing else from going on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.configuring.configuration import DeploymentConfiguration
from deployments.drivers.base import DriverError, PortTaken
from deployments.drivers.docker_client import api_error
from deployments.drivers.fake import FakeDriver
from deployments.drivers.local import LocalDriver
from deployments.models import Port, Revision, Service
from serving.contract import CONFIG_FILE, LOCK_FILE
from tests.factories import deploying, updating

Turn = Callable[..., Service]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("cause", ["invalid", "broken", "no_capacity"])
def test_an_old_revision_that_cannot_come_back_does_not_hold_up_the_new_one(
    fake: FakeDriver, turn: Turn, cause: str
) -> None:
    service = turn(deploying("diabetes"))
    fake.remove("diabetes-1-0", fake.folder)
    fake.play("diabetes-1-0", {cause: "Its files are missing."})  # type: ignore[misc]
    operation = updating(service)
    service = turn(service, lambda row: row.state == "Healthy" and row.active_id == row.wanted_id)
    assert service.active_id == operation.revision_id


def test_a_deploy_that_the_target_refuses_fails_with_its_sentence(
    fake: FakeDriver, turn: Turn
) -> None:
    fake.play("diabetes", {"broken": "The process could not be started."})
    operation = deploying("diabetes")
    service = turn(operation, lambda row: row.state == "Failed")
    assert service.message == "The process could not be started."
    operation.refresh_from_db()
    assert operation.status == "Failed"


def test_a_service_that_the_target_refuses_later_says_so_and_recovers(
    fake: FakeDriver, turn: Turn
) -> None:
    service = turn(deploying("diabetes"))
    fake.end("diabetes-1-0", exit_code=137)
    fake.play("diabetes", {"broken": "The process could not be started."})
    service = turn(service, lambda row: row.state == "Unhealthy")
    assert service.message == "The process could not be started."
    fake.play("diabetes", {})
    turn(service, lambda row: row.state == "Healthy")


def test_a_file_error_of_a_local_target_is_a_sentence(tmp_path: Path) -> None:
    driver = LocalDriver(tmp_path, "nobody")
    folder = tmp_path / "diabetes" / "1" / "0"
    (folder / LOCK_FILE).mkdir(parents=True)  # it cannot be opened as a file
    (folder / CONFIG_FILE).write_text("{}")
    with pytest.raises(DriverError, match="Is a directory"):
        driver.observe("diabetes-1-0", folder)
    with pytest.raises(DriverError, match="Is a directory"):
        driver.remove("diabetes-1-0", folder)


def test_a_port_that_another_program_took_is_changed_for_another(
    fake: FakeDriver, turn: Turn
) -> None:
    operation = deploying("diabetes")
    Port.objects.create(number=20001, revision=operation.revision)
    fake.play("diabetes", {"port_taken": 20001})
    turn(operation, lambda row: row.state == "Healthy")
    assert Port.objects.get().number != 20001


def test_a_port_that_was_asked_for_is_kept_and_waited_for(fake: FakeDriver, turn: Turn) -> None:
    operation = deploying("diabetes")
    wish = DeploymentConfiguration(port=20001).as_dict()
    Revision.objects.update(deployment=wish)
    fake.play("diabetes", {"port_taken": 20001})
    service = turn(operation, lambda row: row.state == "Unschedulable")
    assert "taken by another program" in service.message
    assert Port.objects.get().number == 20001


def test_docker_says_which_of_its_errors_is_a_taken_port() -> None:
    text = "Bind for 127.0.0.1:20001 failed: port is already allocated"
    assert isinstance(api_error(500, text), PortTaken)
    assert not isinstance(api_error(500, "no space left on device"), PortTaken)
