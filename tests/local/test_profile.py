"""Measuring a version on this machine: a replica of its own, which always ends."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator

import httpx
import psutil
import pytest
from django.core.management import call_command
from sklearn.linear_model import Ridge

from deployments.choices import OperationKind, OperationStatus, StepName
from deployments.control import sweep
from deployments.control.instances import parse_instance_name
from deployments.control.step_handlers import StepFailed, Work
from deployments.drivers.base import Phase
from deployments.drivers.local import LocalDriver
from deployments.models import Operation
from deployments.trying import profile_replica, profile_steps
from deployments.trying.at_hand import operation_follow
from deployments.trying.drafts import Draft, draft_of
from deployments.trying.findings import findings_of, measured_of
from deployments.trying.profiles import profile_ask
from tests.drivers.cases import until
from tests.local_engine import USER
from tests.prepare import save_model
from tests.trying import Place, Trying, failed_of, place_made, trying_made
from workspaces.errors import Invalid

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    yield from place_made("profiling")


@pytest.fixture
def driver(place: Place) -> LocalDriver:
    return LocalDriver(place.data.services, USER)


@pytest.fixture
def trying(place: Place, driver: LocalDriver, monkeypatch: pytest.MonkeyPatch) -> Trying:
    monkeypatch.setattr(profile_steps, "LEVEL_SECONDS", 0.3)
    return trying_made(place, monkeypatch, "local", driver)


@pytest.fixture
def ridge(trying: Trying) -> str:
    save_model(trying.files("ridge"), Ridge())
    return trying.register("ridge")


def replicas(trying: Trying) -> list[psutil.Process]:
    """Processes of replicas below this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(trying.data.services) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def prepared(ridge: str) -> Draft:
    """A profile whose copy and environment are there; the step that measures is next."""
    operation = profile_ask(model=ridge, target="local", user=None)
    draft = None
    for name in (StepName.COPY_MODEL, StepName.PREPARE_ENVIRONMENT):
        step = operation.steps.get(name=name)
        draft = draft_of(Work(operation, step, lambda line: None, lambda: False))
        profile_steps.HANDLERS[name](draft)
    assert draft is not None
    return draft


def test_it_measures_recommends_and_leaves_nothing_running(trying: Trying, ridge: str) -> None:
    wanted = {"requests_per_second": 50, "p99_ms": 5000, "max_clients": 4}
    operation = profile_ask(model=ridge, target="local", user=None, wanted=wanted)
    done = operation_follow(operation, trying.lines.append)
    assert done.status == OperationStatus.SUCCEEDED, trying.lines
    result = done.found["measured"]
    assert done.found["parts"]["row_wise"] is True  # as its service: requests are scored together
    assert [level["clients"] for level in result["levels"]] == [1, 2, 4]
    assert (result["state"], result["successRate"]) == ("Succeeded", 100.0)
    assert result["measuredQueriesPerSecond"] > 50
    assert result["recommendedReplicas"] == 1
    assert result["maxUtilizedCpu"] > 0
    assert 0.02 < result["maxUtilizedMemoryInGB"] < 1
    (finding,) = findings_of("ridge", "1", OperationKind.PROFILE)
    assert finding.measured == result
    known = measured_of("ridge", "1")
    assert known.milliseconds == result["levels"][0]["p50_ms"]
    assert known.memory_mb == pytest.approx(result["maxUtilizedMemoryInGB"] * 1024, rel=0.01)
    until(lambda: not replicas(trying))
    assert list(trying.data.services.glob("_profile/*")) == []


def test_a_replica_whose_worker_was_killed_is_found_and_ended(
    trying: Trying, ridge: str, driver: LocalDriver
) -> None:
    draft = prepared(ridge)
    name = profile_replica.name_of(draft.operation.pk)
    folder = profile_replica.folder_of(draft.operation.pk)
    with pytest.raises(ValueError):
        parse_instance_name(name)
    running = profile_replica._start(draft, name, folder)  # and its worker is killed now
    assert httpx.post(f"{running.endpoint}/score", content=b"{}").status_code == 401
    sweep._end_orphans(driver)
    profile_replica.end_leftovers(driver)
    assert driver.observe(name, folder).phase is Phase.RUNNING  # its operation is open

    with profile_replica.replica(draft) as again:  # as the next worker does
        assert again.usage().memory_mb
        assert len([one for one in replicas(trying) if "replica" in one.cmdline()]) == 1
    until(lambda: not replicas(trying))

    profile_replica._start(draft, name, folder)
    Operation.objects.update(status=OperationStatus.CANCELLED)
    while folder.parent.exists():
        profile_replica.end_leftovers(driver)
    until(lambda: not replicas(trying))


def test_a_master_that_is_killed_meanwhile_fails_the_profile_in_words(
    trying: Trying, ridge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = profile_replica._start

    def killed(draft: Draft, name: str, folder: object) -> profile_replica.Replica:
        running = start(draft, name, folder)  # type: ignore[arg-type]
        for process in replicas(trying):
            os.kill(process.pid, signal.SIGKILL)
        return running

    monkeypatch.setattr(profile_replica, "_start", killed)
    wanted = {"time_limit_seconds": 10, "max_clients": 1}
    operation = profile_ask(model=ridge, target="local", user=None, wanted=wanted)
    monkeypatch.setattr(profile_steps, "SLOWEST_LEVEL", 0.5)
    done = operation_follow(operation, trying.lines.append)
    assert done.status == OperationStatus.FAILED
    assert "No request was answered with 200." in failed_of(done)["profile"]


def test_a_model_that_does_not_start_says_why(trying: Trying) -> None:
    uri = trying.code_model("cross", load="raise ValueError('the weights are gone')")
    operation = profile_ask(model=uri, target="local", user=None)
    done = operation_follow(operation, trying.lines.append)
    assert "the weights are gone" in failed_of(done)["profile"]
    until(lambda: not replicas(trying))


def test_without_an_example_a_sample_is_asked_for(trying: Trying) -> None:
    save_model(trying.files("bare"), Ridge())
    for name in ("serving_input_example.json", "input_example.json"):
        (trying.files("bare") / name).unlink()
    draft = prepared(trying.register("bare"))
    with pytest.raises(StepFailed, match="give a sample"):
        profile_steps.HANDLERS[StepName.MEASURE](draft)


def test_all_that_is_wrong_is_said_at_once(trying: Trying) -> None:
    wanted = {"requests_per_second": 0, "p99_ms": "x", "time_limit_seconds": 1e9, "colour": 1}
    with pytest.raises(Invalid) as caught:
        profile_ask(
            model="nonsense",
            target="local",
            user=None,
            wanted=wanted,
            deployment={"containerResourceRequirements": {"cpu": 0.01}},
        )
    resources = "containerResourceRequirements.cpu"
    assert set(caught.value.fields) == {*wanted, "model", resources}
    assert "from 10 to 1,500" in caught.value.message


def test_the_command_prints_a_line_for_each_level(trying: Trying, ridge: str) -> None:
    out = io.StringIO()
    call_command("profile", ridge, "--max-clients", "2", stdout=out)
    assert "requests/s" in out.getvalue()
    assert "Recommended: " in out.getvalue()
