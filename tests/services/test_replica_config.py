"""What a replica is told: the deployment configuration, and nothing that would restart old ones."""

from __future__ import annotations

import pytest

from deployments.configuring.configuration import validate
from deployments.control.instances import instance_spec
from deployments.drivers.fake import FakeDriver
from deployments.models import Revision
from serving.contract import ReplicaConfig
from tests.factories import RevisionFactory

pytestmark = pytest.mark.django_db

# names of the configuration as version 0.1.0 stored it
OLD = {
    *("cpu", "memory_mb", "replicas", "port", "auth_enabled", "max_concurrent_requests"),
    *("max_queue_wait_ms", "scoring_timeout_ms", "tags", "properties", "description"),
}


def config(revision: Revision) -> ReplicaConfig:
    return instance_spec(revision.service, revision).config


def test_every_choice_reaches_the_replica(fake: FakeDriver) -> None:
    raw = {
        "workers": 3,
        "maxQueue": 7,
        "maxBatchRows": 99,
        "verboseErrors": False,
        "accessLog": False,
        "maxBodyBytes": 2048,
        "appInsightsEnabled": True,
        "telemetry": {"endpoint": "http://collector:4318", "sample": 0.5},
    }
    made = RevisionFactory(deployment=validate("fake", raw).as_dict(), loader="fast")
    wanted = {
        "workers": 3,
        "max_queue": 7,
        "max_batch_rows": 99,
        "verbose_errors": False,
        "access_log": False,
        "max_body_bytes": 2048,
        "trace_endpoint": "http://collector:4318",
        "trace_sample": 0.5,
        "loader": "fast",
    }
    assert wanted.items() <= config(made).items()


@pytest.mark.parametrize(
    ("row_wise", "batching", "batch"),
    [(True, "auto", True), (True, "exact", False), (False, "auto", False), (None, "auto", False)],
)
def test_rows_are_scored_together_only_when_that_is_proved_and_wanted(
    fake: FakeDriver, row_wise: bool | None, batching: str, batch: bool
) -> None:
    wish = validate("fake", {"batching": batching})
    made = RevisionFactory(deployment=wish.as_dict(), row_wise=row_wise)
    assert config(made).get("batch", False) is batch


def test_a_revision_of_an_older_version_keeps_its_digest(fake: FakeDriver) -> None:
    new = RevisionFactory()
    old = {name: value for name, value in new.deployment.items() if name in OLD}
    before = instance_spec(new.service, new).digest
    new.deployment = old
    assert instance_spec(new.service, new).digest == before
    added = {"batch", "max_batch_rows", "max_queue", "access_log", "trace_endpoint"}
    assert not added & set(config(new))
