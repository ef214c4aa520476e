"""What was found is kept with the version, and an older result says what has changed since."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from deployments.building import runtimes
from deployments.choices import OperationKind
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.control import sweep
from deployments.models import Finding
from deployments.pages.forms import answers_read
from deployments.trying import findings
from registry import selectors as registry
from registry.models import VersionRecord
from registry.records import records_forget
from registry.scripts.folders import SourceFile, source_create

pytestmark = pytest.mark.django_db
KIND = OperationKind.PREFLIGHT


def keep(**changes: Any) -> Finding:
    registry.version_get("diabetes", "1")
    record = VersionRecord.objects.get(name="diabetes", version="1")
    usual: dict[str, Any] = {
        **{"record": record, "identity": record.identity, "kind": KIND, "target": "local"},
        **{"runtime": runtimes.version(), "result": "passed", "operation": uuid.uuid4()},
        **{"asked": {"deployment": DeploymentConfiguration().as_dict(), "inference": {}}},
        **{"environment_hash": uuid.uuid4().hex},
    }
    return Finding.objects.create(**{**usual, **changes})


def test_the_newest_comes_first_and_each_target_has_its_own(model: str) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    old, new = keep(created_at=long_ago), keep()
    docker = keep(target="docker", created_at=long_ago)
    everything = findings.findings_of("diabetes", "1", KIND)
    assert everything[0].pk == new.pk
    assert {row.pk for row in findings.latest_by_target(everything)} == {new.pk, docker.pk}
    assert old in findings.findings_of("diabetes", "1", KIND, "local")


def test_a_version_that_was_made_again_starts_without_findings(model: str) -> None:
    keep(identity="of a version that is gone")
    assert findings.findings_of("diabetes", "1", KIND) == []
    records_forget("diabetes")
    assert Finding.objects.count() == 0


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({}, ""),
        ({"memory_mb": 512}, "It had 1024 MB of memory then; 512 MB are asked for now."),
        ({"cpu": 0.5}, "It had 1 CPU then; 0.5 are asked for now."),
        ({"max_queue": 5}, ""),  # nothing that a trial depends on
    ],
)
def test_what_changed_since_is_said(model: str, now: dict[str, Any], words: str) -> None:
    found = keep()
    wish = DeploymentConfiguration(**now)
    assert " ".join(findings.changes_since(found, findings.situation(wish))) == words


def test_an_update_of_slipway_and_another_script_are_changes(model: str) -> None:
    found = keep(runtime="older")
    now = findings.situation(DeploymentConfiguration(), {"entryScript": "score.py"})
    assert len(findings.changes_since(found, now)) == 2
    assert findings.changes_since(found, findings.situation_of(found)) == [
        "Slipway was updated since."
    ]


def test_help_me_choose_counts_with_what_was_measured(model: str) -> None:
    assert findings.measured_of("diabetes", "1") == findings.Measured(None, None)
    registry.version_get("diabetes", "1")
    findings.version_measured("diabetes", "1", memory_mb=700, ms_per_row=3.5)
    known = findings.measured_of("diabetes", "1")
    assert known == findings.Measured(700, 3.5)
    keep(kind=OperationKind.PROFILE, measured={"levels": [{"p50_ms": 8.0}]})
    known = findings.measured_of("diabetes", "1")
    answers = answers_read({}, known.memory_mb, known.milliseconds)
    assert (answers.memory_mb, answers.seconds_per_request) == (700, 0.008)
    assert findings.measured_of("nothing\x00", "1") == findings.Measured(None, None)


def test_the_script_that_a_version_was_tried_with_is_not_swept(model: str) -> None:
    sources = {}
    for name in ("tried", "other"):
        made = source_create(files=[SourceFile.text("score.py", f"# {name}\n")], user=None).sha256
        sources[name] = settings.DATA.sources / made
        os.utime(sources[name], (0, 0))
    keep(asked={"inference": {"entryScript": "score.py", "source": sources["tried"].name}})
    sweep._remove_unused_folders()
    assert sources["tried"].is_dir()
    assert not sources["other"].exists()
