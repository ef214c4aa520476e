"""Pre-flight: what is checked, and what each check says."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest

from deployments import trying
from deployments.building import runtimes
from deployments.building.base_images import minor_by_name
from deployments.building.pythons import own_minor
from deployments.choices import OperationKind
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.drivers.fake import FakeDriver
from deployments.models import Finding, Service, Target
from deployments.trying.preflight import preflight
from registry import selectors as registry
from registry.models import VersionRecord
from tests.factories import RevisionFactory, ServiceFactory, TargetFactory

pytestmark = pytest.mark.django_db


def results(**changes: Any) -> dict[str, tuple[str, str]]:
    usual = {"name": "ridge", "model": "models:/diabetes/1", "target": "fake"}
    found = preflight(**{**usual, **changes})
    assert all(check.next_step for check in found if check.result != "passed")
    return {check.name: (check.result, check.sentence) for check in found}


def tried(**changes: Any) -> Finding:
    """A trial of the version that found nothing against it."""
    registry.version_get("diabetes", "1")
    record = VersionRecord.objects.get(name="diabetes", version="1")
    usual: dict[str, Any] = {
        **{"record": record, "identity": record.identity, "kind": OperationKind.PREFLIGHT},
        **{"target": "fake", "runtime": runtimes.version(), "result": "passed"},
        **{"asked": {"deployment": DeploymentConfiguration().as_dict(), "inference": {}}},
        **{"environment_hash": uuid.uuid4().hex},
    }
    return Finding.objects.create(**{**usual, **changes})


@pytest.fixture(autouse=True)
def place(fake: FakeDriver, model: str) -> Target:
    capacity = {"cpu_total": 4, "memory_total_mb": 8192, "memory_free_mb": 3000}
    Target.objects.update(capacity=capacity)
    return Target.objects.get()


def test_all_is_well() -> None:
    tried()
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
    asked = results(target="local", deployment={"pythonVersion": own_minor()})
    assert asked["python"] == ("passed", f"Runs on Python {own_minor()}.")
    assert asked["other-python"][0] == "warning"
    assert "made with Python 2.7" in asked["other-python"][1]
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


BROKEN = {"name": "load", "result": "failed", "sentence": "It broke.", "next_step": "Mend it."}


def test_a_version_that_was_never_tried_is_a_warning() -> None:
    result, sentence = results()["trial"]
    assert (result, "was not tried on fake yet" in sentence) == ("warning", True)
    tried(target="other")
    assert results()["trial"][0] == "warning"


def test_a_failed_trial_is_a_warning_with_its_own_next_step() -> None:
    tried(result="failed", checks=[BROKEN])
    (check,) = [
        item
        for item in preflight(name="ridge", model="models:/diabetes/1", target="fake")
        if item.name == "trial"
    ]
    assert check.result == "warning"  # it never blocks
    assert check.sentence == "When it was tried on fake, it failed: It broke."
    assert check.next_step == "Mend it. Then try it again."


def test_a_trial_that_passed_says_what_is_another_thing_now() -> None:
    tried()
    assert results()["trial"] == ("passed", "It was tried on fake, loads and answers.")
    less = {"deployment": {"containerResourceRequirements": {"memoryInGB": 0.5}}}
    assert "512 MB are asked for now" in results(**less)["trial"][1]


def test_a_trial_with_another_script_does_not_count() -> None:
    tried(asked={"inference": {"entryScript": "score.py", "source": "a" * 64}})
    assert "with another entry script or environment only" in results()["trial"][1]


def test_what_cannot_be_tried_is_not_said_to_be_untried() -> None:
    assert "trial" not in results(inference={"entryScript": "score.py"})
    assert "trial" not in results(model="models:/diabetes/9")


@pytest.fixture
def images(fake: FakeDriver, settings: Any) -> None:
    """The target builds images, on a base image whose name says nothing."""
    fake.builds_image = True
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, base_image="base:bookworm")


@pytest.mark.usefixtures("images")
def test_the_python_of_a_base_image_is_known_once_it_was_tried() -> None:
    result, sentence = results()["python"]
    assert result == "warning"
    assert sentence.startswith("Whether the base image base:bookworm has Python 3.11 is known once")
    tried(checks=[{"name": "python", "result": "passed", "sentence": "Runs on Python 3.11."}])
    assert results()["python"] == ("passed", "Runs on Python 3.11.")


@pytest.mark.usefixtures("images")
def test_a_base_image_that_was_found_without_the_python_is_a_warning() -> None:
    missing = {"name": "python", "result": "failed", "sentence": "It has 3.9.", "next_step": ""}
    tried(result="failed", checks=[missing])
    assert results()["python"] == ("warning", "It has 3.9.")


@pytest.mark.usefixtures("images")
def test_a_service_that_was_made_there_says_what_its_base_image_has() -> None:
    revision = RevisionFactory(image="slipway/service:abc", python="3.11")
    assert results()["python"][0] == "passed"
    revision.inference = {"entryScript": "score.py"}  # perhaps on a base image of its own
    revision.save()
    assert results()["python"][0] == "warning"


@pytest.mark.usefixtures("images")
def test_a_base_image_by_its_name(settings: Any) -> None:
    named = {"python:3.11-slim": "passed", "python:3.9-slim": "warning"}
    for image, result in named.items():
        settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, base_image=image)
        assert results()["python"][0] == result
    assert "By its name" in results()["python"][1]


@pytest.mark.parametrize(
    ("image", "minor"),
    [
        ("python:3.11-slim", "3.11"),
        ("registry.example.org/python:3.9", "3.9"),
        ("docker.io/library/python:3.12.4-bookworm", "3.12"),
        ("python", ""),
        ("mypython:3.11", ""),
        ("python:3-slim", ""),
        ("slipway-base:bookworm", ""),
    ],
)
def test_an_image_may_promise_its_python(image: str, minor: str) -> None:
    assert minor_by_name(image) == minor


CALLS = [
    pytest.param(node, id=f"{path.stem}-{node.lineno}")
    for path in sorted(Path(trying.__file__).parent.glob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check"
]


@pytest.mark.parametrize("call", CALLS)
def test_no_check_is_written_without_a_next_step_unless_it_passed(call: ast.Call) -> None:
    given = list(
        itertools.chain.from_iterable(
            item.value.elts  # type: ignore[attr-defined]
            if isinstance(item, ast.Starred)
            else [item]
            for item in call.args
        )
    )
    result = given[1]
    assert isinstance(result, ast.Constant)
    assert result.value == "passed" or len(given) == 4
