"""Every operation ends, whatever happens to its service, its target and its workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.paths import DataFolder
from deployments import sweep, teardown
from deployments.drivers.docker import DockerDriver
from deployments.drivers.fake import FakeDriver
from deployments.models import Operation, Revision, Service, Target
from deployments.services import service_delete
from tests.factories import deploying

Turn = Callable[..., Service]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def data(tmp_path: Path, settings: object) -> DataFolder:
    """A data folder of this test alone, with the fake target as the only one."""
    made = DataFolder(tmp_path / "data")
    settings.DATA, settings.SLIPWAY_DRIVERS = made, {"fake": "unused"}  # type: ignore[attr-defined]
    Target.objects.update(node=made.node_id)
    return made


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
