"""What the gateway is told, and that no two replicas ever hold the same port."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from config.paths import DataFolder
from deployments.control import ports, routes
from deployments.drivers.base import NoCapacity
from deployments.drivers.fake import FakeDriver
from deployments.models import Port, Service
from serving.contract import APPLIED_FILE, EXIT_PORT_TAKEN, ROUTES_FILE
from tests.factories import RevisionFactory, deploying
from tests.services.conftest import Turn

pytestmark = pytest.mark.django_db


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `run/` of this test alone."""
    monkeypatch.setattr(settings, "DATA", DataFolder(tmp_path / "data"))
    return tmp_path / "data" / "run"


def written(folder: Path) -> Any:
    return json.loads((folder / ROUTES_FILE).read_text())


def serving(name: str) -> Service:
    """A service whose first revision is active."""
    revision = RevisionFactory(service__name=name)
    Service.objects.filter(pk=revision.service_id).update(active=revision, wanted=revision)
    ports.port_for(revision)
    return Service.objects.get(name=name)


def test_the_version_rises_with_each_change_and_only_then(run_folder: Path) -> None:
    first = routes.publish()
    assert routes.publish() == first
    service = serving("ridge")
    assert routes.publish() == first + 1
    number = Port.objects.get().number
    backend = {"revision": 1, "url": f"http://127.0.0.1:{number}", "weight": 100}
    assert written(run_folder)["services"] == {"ridge": {"backends": [backend], "reason": ""}}
    Service.objects.filter(pk=service.pk).update(desired="stopped")
    routes.publish()
    assert written(run_folder)["services"]["ridge"]["reason"] == "The service is stopped."
    Service.objects.filter(pk=service.pk).update(desired="deleted")
    assert routes.publish() == first + 3
    assert written(run_folder)["services"] == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"version": "x", "services": []}'])
def test_a_broken_document_is_written_anew_with_a_higher_version(
    run_folder: Path, text: str
) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / ROUTES_FILE).write_text(text)
    (run_folder / APPLIED_FILE).write_text(json.dumps({"version": 41, "pid": os.getpid()}))
    assert routes.publish() == 42
    assert written(run_folder) == {"version": 42, "services": {}}


def test_a_version_is_applied_when_the_gateway_says_so_or_is_not_there(run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    assert routes.is_applied(7)
    report = run_folder / APPLIED_FILE
    report.write_text(json.dumps({"version": 6, "pid": os.getpid()}))
    assert not routes.is_applied(7)
    assert routes.is_applied(6)
    report.write_text(json.dumps({"version": 6, "pid": 2**22 + 1}))  # no such process
    assert routes.is_applied(7)


@pytest.fixture
def few_ports(monkeypatch: pytest.MonkeyPatch) -> range:
    """A port range of twelve."""
    numbers = range(21_700, 21_712)
    narrow = dataclasses.replace(settings.SLIPWAY, port_range=numbers)
    monkeypatch.setattr(settings, "SLIPWAY", narrow)
    return numbers


@pytest.mark.django_db(transaction=True)
def test_ports_taken_at_once_are_all_different(few_ports: range) -> None:
    revisions = [RevisionFactory() for _ in range(6)]

    def take(revision: Any) -> int:
        try:
            return ports.port_for(revision)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(take, revisions * 2))
    assert len(set(taken)) == 6
    assert taken[:6] == taken[6:]
    assert set(taken) <= set(few_ports)


def test_without_a_free_port_there_is_no_capacity(few_ports: range) -> None:
    for _ in few_ports:
        ports.port_for(RevisionFactory())
    with pytest.raises(NoCapacity, match="SLIPWAY_PORT_RANGE"):
        ports.port_for(RevisionFactory())


def test_a_port_that_another_program_listens_on_is_not_taken(few_ports: range) -> None:
    with socket.create_server(("127.0.0.1", few_ports[3])):
        taken = {ports.port_for(RevisionFactory()) for _ in range(len(few_ports) - 1)}
        assert few_ports[3] not in taken


def test_a_wanted_port_is_given_once_and_free_again_after_release() -> None:
    first, second = RevisionFactory(service__name="ridge"), RevisionFactory()
    assert ports.port_for(first, wanted=28_123) == 28_123
    with pytest.raises(NoCapacity, match="28123 is in use by the service ridge"):
        ports.port_for(second, wanted=28_123)
    ports.port_release(first)
    assert ports.port_for(RevisionFactory(), wanted=28_123) == 28_123


def test_a_new_revision_gives_way_to_the_one_that_still_serves_on_its_port() -> None:
    first = RevisionFactory()
    second = RevisionFactory(service=first.service, number=2)
    assert ports.port_for(first, wanted=28_126) == 28_126
    assert ports.port_for(second, wanted=28_126) != 28_126


def test_the_gateway_is_told_the_origins_and_the_largest_body_of_what_serves(
    run_folder: Path,
) -> None:
    service = serving("ridge")
    later = RevisionFactory(service=service, number=2)
    for revision, origin in ((service.active, "https://old.example"), (later, "https://new")):
        revision.deployment |= {"cors_origins": [origin], "max_body_bytes": 4096}
        revision.save()
    Service.objects.filter(pk=service.pk).update(wanted=later)
    route = routes.compute()["ridge"]
    assert (route["cors_origins"], route["max_body_bytes"]) == (["https://old.example"], 4096)


TAKEN = {"phases": ["exited"], "exit_code": EXIT_PORT_TAKEN, "message": "port is taken"}


def test_a_replica_whose_port_is_taken_gets_another(fake: FakeDriver, turn: Turn) -> None:
    fake.play("diabetes", TAKEN)
    service = Service.objects.get(operations=deploying("diabetes"))
    seen: list[int] = []

    def moved(_: Service) -> bool:
        seen.extend(Port.objects.values_list("number", flat=True))
        return len(set(seen)) > 1

    turn(service, moved)
    fake.play("diabetes", {"phases": ["running"]})
    assert turn(service, lambda row: row.state == "Healthy").active is not None


def test_a_serving_replica_whose_port_was_taken_meanwhile_comes_back_on_another(
    fake: FakeDriver, turn: Turn
) -> None:
    service = turn(deploying("diabetes"))
    before = Port.objects.get().number
    fake.play("diabetes", TAKEN)
    turn(service, lambda _: Port.objects.exclude(number=before).exists())
    fake.play("diabetes", {"phases": ["running"]})
    turn(service, lambda row: row.state == "Healthy")
    backend = routes.compute()["diabetes"]["backends"][0]
    assert backend["url"].endswith(f":{Port.objects.get().number}")


def test_a_port_that_a_person_asked_for_is_not_replaced_silently(
    fake: FakeDriver, turn: Turn
) -> None:
    fake.play("diabetes", TAKEN)
    operation = deploying("diabetes")
    revision = operation.revision
    revision.deployment["port"] = 28_124
    revision.save()
    service = turn(operation)
    assert (service.state, "port is taken" in service.message) == ("Failed", True)
