"""Work that belongs to no service: asked once, driven by the loop, always ended."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import ModuleType

import pytest
from django.conf import settings
from django.utils import timezone

from deployments.choices import OperationKind, OperationStatus, StepName, StepState
from deployments.control import background, step_handlers, steps, sweep, wake
from deployments.control.operation_requests import operation_cancel, operation_retry
from deployments.control.step_handlers import StepFailed, Work
from deployments.models import Operation
from workspaces.errors import Conflict

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of this test that fails when it was asked to, and says what it found."""

    def build(work: Work) -> str:
        work.log("building")
        if reason := work.operation.asked.get("fail"):
            raise StepFailed(reason)
        background.found_keep(work.operation, size=7)
        return "built"

    module = ModuleType("handlers_of_a_test")
    module.HANDLERS = {StepName.PREPARE_ENVIRONMENT: build}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(step_handlers.BACKGROUND_HANDLERS, OperationKind.BUILD, module.__name__)
    monkeypatch.setattr(wake, "_send", lambda publish: None)


def asked(subject: str = "sklearn:1", **more: object) -> Operation:
    return background.background_open(
        kind=OperationKind.BUILD, subject=subject, asked=more, user=None
    )


def after(operation: Operation) -> Operation:
    background.advance_all()
    steps.run_steps(str(operation.pk))
    background.advance_all()
    operation.refresh_from_db()
    return operation


def test_it_runs_its_steps_and_keeps_what_they_found() -> None:
    done = after(asked())
    assert (done.status, done.found, str(done)) == ("Succeeded", {"size": 7}, "build sklearn:1")
    assert [step.state for step in done.steps.all()] == [StepState.SUCCEEDED] * 2
    assert done.ended_at is not None


def test_a_step_that_fails_ends_it_with_the_sentence() -> None:
    done = after(asked(fail="There is no package named nothing."))
    assert (done.status, done.error) == ("Failed", "There is no package named nothing.")


def test_asked_twice_it_is_one_and_asked_otherwise_it_is_refused() -> None:
    first = asked()
    assert asked().pk == first.pk
    with pytest.raises(Conflict, match="going on already"):
        asked(fail="x")
    assert asked("other:1").pk != first.pk


def test_cancel_ends_it_and_retry_asks_the_same_again() -> None:
    first = asked(fail="x")
    operation_cancel(operation=first, user=None)
    assert after(first).status == OperationStatus.CANCELLED
    again = operation_retry(operation=first, user=None)
    assert (again.asked, again.subject, again.is_open) == ({"fail": "x"}, "sklearn:1", True)


def test_a_worker_that_died_costs_a_new_start_of_the_step() -> None:
    operation = asked()
    background.advance_all()
    step = operation.steps.get(name=StepName.PREPARE_ENVIRONMENT)
    long_ago = timezone.now() - timedelta(seconds=60)
    operation.steps.filter(pk=step.pk).update(
        state=StepState.RUNNING, claim="dead", heartbeat_at=long_ago
    )
    background.advance_all()
    assert after(operation).status == OperationStatus.SUCCEEDED


def test_what_takes_too_long_times_out() -> None:
    operation = asked()
    Operation.objects.update(created_at=timezone.now() - timedelta(days=1))
    background.advance_all()
    operation.refresh_from_db()
    assert operation.status == OperationStatus.TIMED_OUT


def test_another_nodes_work_and_the_sweep_leave_it_alone() -> None:
    operation = asked()
    Operation.objects.update(node="elsewhere")
    assert after(operation).status == OperationStatus.RUNNING
    sweep._end_ownerless()
    operation.refresh_from_db()
    assert (operation.is_open, settings.DATA.node_id != "elsewhere") == (True, True)
