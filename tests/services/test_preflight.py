"""Pre-flight: what is checked, and what each check says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from deployments.configuring.configuration import DeploymentConfiguration
from deployments.drivers.fake import FakeDriver
from deployments.models import Service, Target
from deployments.trying.preflight import preflight
from registry.models import VersionRecord
from tests.factories import RevisionFactory, ServiceFactory, TargetFactory

pytestmark = pytest.mark.django_db


def results(**changes: Any) -> dict[str, tuple[str, str]]:
    usual = {"name": "ridge", "model": "models:/diabetes/1", "target": "fake"}
    return {
        check.name: (check.result, check.sentence) for check in preflight(**{**usual, **changes})
    }


@pytest.fixture(autouse=True)
def place(fake: FakeDriver, model: str) -> Target:
    capacity = {"cpu_total": 4, "memory_total_mb": 8192, "memory_free_mb": 3000}
    Target.objects.update(capacity=capacity)
    return Target.objects.get()


def test_all_is_well() -> None:
    assert {result for result, _ in results().values()} == {"passed"}


@pytest.mark.parametrize(
    ("changes", "name", "result", "words"),
    [
        ({"name": "No"}, "name", "failed", "from 3 to 32"),
        ({"name": None}, "name", "failed", "from 3 to 32"),
        ({"target": "nowhere"}, "target", "failed", "nowhere"),
        ({"model": "nonsense"}, "model", "failed", "models:/NAME/VERSION"),
        ({"model": "models:/diabetes/9"}, "model", "failed", ""),
        ({"deployment": {"port": 99}}, "configuration", "failed", "port"),
        ({"deployment": []}, "configuration", "failed", "JSON object"),
        ({"inference": {"entryScript": "score.py"}}, "inference", "failed", "inference.source"),
        (
            {"deployment": {"containerResourceRequirements": {"memoryInGB": 100}}},
            *("capacity", "failed", "102400 MB of memory were asked for; the target has 8192 MB."),
        ),
        (
            {"deployment": {"containerResourceRequirements": {"memoryInGB": 4}}},
            *("capacity", "warning", "only 3000 MB are free now"),
        ),
        (
            {"deployment": {"containerResourceRequirements": {"cpu": 8}}},
            *("capacity", "failed", "8 CPU were asked for; the target has 4."),
        ),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], name: str, result: str, words: str) -> None:
    found = results(**changes)[name]
    assert found[0] == result
    assert words in found[1]


def test_a_taken_name(fake: FakeDriver) -> None:
    ServiceFactory(name="ridge")
    assert results()["name"][0] == "failed"


def test_a_target_with_problems_and_one_never_checked(place: Target) -> None:
    Target.objects.update(problems=["Docker is away."])
    assert results()["target"] == ("failed", "Docker is away.")
    Target.objects.update(problems=[], checked_at=None)
    assert results()["target"][0] == "warning"


@pytest.mark.parametrize(
    ("file", "text", "name", "result"),
    [
        ("requirements.txt", "", "environment", "failed"),
        ("MLmodel", "flavors: {sklearn: {}}\n", "model", "failed"),
        ("MLmodel", "flavors: {python_function: {loader_module: x}}\n", "signature", "warning"),
        ("serving_input_example.json", "no JSON", "example", "warning"),
    ],
)
def test_a_model_that_lacks_something(
    tmp_path: Path, file: str, text: str, name: str, result: str
) -> None:
    (tmp_path / "files" / file).write_text(text)
    assert results()[name][0] == result


def test_a_python_that_is_not_here(tmp_path: Path, place: Target) -> None:
    TargetFactory(name="local")
    (tmp_path / "files" / "python_env.yaml").write_text("python: 2.7.18\n")
    model_file = tmp_path / "files" / "MLmodel"
    model_file.write_text(model_file.read_text().replace("3.11.7", "2.7.18"))
    result, sentence = results(target="local")["python"]
    assert result == "failed"
    assert sentence.startswith("The model needs Python 2.7; this machine has ")
    assert results(target="fake")["python"][0] == "passed"


def test_a_full_disk(settings: Any) -> None:
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, min_free_bytes=2**60)
    assert results()["disk"][0] == "failed"


def test_measured_memory_counts_where_none_is_given(place: Target) -> None:
    assert results()["capacity"][0] == "passed"
    VersionRecord.objects.filter(name="diabetes", version="1").update(memory_mb=6000)
    assert results()["capacity"][0] == "failed"


def test_the_port_of_another_service_is_found() -> None:
    TargetFactory(name="local")
    wish = DeploymentConfiguration(port=20001).as_dict()
    revision = RevisionFactory(deployment=wish)
    Service.objects.update(wanted=revision)
    changes = {"target": "local", "deployment": {"port": 20001}}
    result, sentence = results(**changes)["configuration"]
    assert result == "failed"
    assert revision.service.name in sentence
