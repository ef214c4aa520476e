"""Quotas: what counts, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.contrib.auth.models import User

from deployments import quotas
from deployments.choices import OperationStatus
from deployments.configuring.configuration import RESOURCES, DeploymentConfiguration
from deployments.configuring.quota_rules import Ask, Limits
from deployments.control.operation_requests import operation_retry
from deployments.control.operations import operation_end
from deployments.models import Operation, Quota, Revision, Service, Target
from deployments.services import (
    service_delete,
    service_restart,
    service_start,
    service_stop,
    service_update,
)
from deployments.trying.preflight import preflight
from tests.factories import RevisionFactory, ServiceFactory, TargetFactory, updating
from tests.services.conftest import Create
from workspaces.errors import Conflict, Invalid
from workspaces.models import Event

pytestmark = pytest.mark.django_db
NEXT = "ask an administrator to raise it (Admin > Quotas)."


@pytest.fixture
def place() -> Target:
    return TargetFactory()


def limit(services: Any = None, cpu: Any = None, memory_mb: Any = None) -> None:
    given = {"services": services, "cpu": cpu, "memory_mb": memory_mb}
    quotas.quota_set(target=Target.objects.get(name="fake"), given=given, user=None)


def running(name: str, cpu: float = 1.0, memory_mb: int = 1024, **values: Any) -> Service:
    """A service that is wanted and serves, without an open operation."""
    service = ServiceFactory(name=name, **{"state": "Healthy", **values})
    wish = DeploymentConfiguration(cpu=cpu, memory_mb=memory_mb).as_dict()
    revision = RevisionFactory(service=service, deployment=wish)
    Service.objects.filter(pk=service.pk).update(wanted=revision, active=revision)
    service.refresh_from_db()
    return service


def used() -> Ask:
    (state,) = quotas.states(Target.objects.filter(name="fake"))
    return state.used


def rows() -> list[int]:
    return [table.objects.count() for table in (Service, Revision, Operation, Event)]


def wish(cpu: float | None = None, gb: float | None = None) -> dict[str, Any]:
    named = {"cpu": cpu, "memoryInGB": gb}
    return {RESOURCES: {name: value for name, value in named.items() if value is not None}}


def test_what_counts_is_wanted(create: Create) -> None:
    running("first", cpu=0.5, memory_mb=512)
    running("failed", cpu=0.25, memory_mb=256, state="Failed")
    running("stopped", desired="stopped", state="Stopped")
    running("stopping", desired="stopped", state="Transitioning")
    running("going", desired="deleted", state="Deleting")
    running("elsewhere", target=TargetFactory(name="local"))
    assert used() == Ask(2, 0.75, 768)
    create()
    assert used() == Ask(3, 1.75, 1792)


def test_the_last_room_is_given_and_no_more(create: Create) -> None:
    limit(services=2)
    create("first")
    create("second")
    before = rows()
    with pytest.raises(Conflict) as caught:
        create("third")
    assert caught.value.code == "quota"
    assert caught.value.message.startswith("Target fake allows 2 services; the others are 2")
    assert caught.value.message.endswith(NEXT)
    assert list(caught.value.fields) == ["target"]
    assert rows() == before


def test_cpu_and_memory_are_named_at_their_fields(create: Create) -> None:
    limit(cpu=1, memory_mb=1024)
    running("first", cpu=0.5)
    with pytest.raises(Conflict) as caught:
        create(deployment=wish(cpu=0.6, gb=0.5))
    assert set(caught.value.fields) == {f"{RESOURCES}.cpu", f"{RESOURCES}.memoryInGB"}
    assert "allows 1 CPU for all services; the others take 0.5" in caught.value.message
    assert "take 1024 MB and this one asks for 512 MB" in caught.value.message


def test_a_shortage_stands_beside_what_else_is_wrong(create: Create) -> None:
    limit(services=0)
    with pytest.raises(Invalid) as caught:
        create("No", tags={f"tag{number}": "" for number in range(101)})
    assert set(caught.value.fields) == {"name", "tags", "target"}


def test_a_taken_name_is_said_before_a_full_quota(create: Create) -> None:
    running("diabetes")
    limit(services=1)
    with pytest.raises(Conflict, match="exists already"):
        create("diabetes")


def test_a_target_without_a_quota_allows_everything(create: Create) -> None:
    limit(services=0)
    limit()
    create(deployment=wish(cpu=1000, gb=4000))
    assert Quota.objects.count() == 1


def test_a_stop_frees_room_at_once_and_a_delete_too(create: Create) -> None:
    limit(services=1)
    first = running("first")
    service_stop(service=first, user=None)
    second = create("second").service
    with pytest.raises(Conflict, match="allows 1 service"):
        create("third")
    service_delete(service=second, user=None)
    create("third")


def test_a_start_is_refused_when_full(create: Create) -> None:
    stopped = running("stopped", desired="stopped", state="Stopped")
    limit(services=1)
    running("first")
    before = rows()
    with pytest.raises(Conflict) as caught:
        service_start(service=stopped, user=None)
    assert caught.value.code == "quota"
    assert rows() == before
    stopped.refresh_from_db()
    assert stopped.desired == "stopped"


def test_an_update_counts_its_new_ask_instead_of_its_old(create: Create, model: str) -> None:
    limit(cpu=2)
    running("first", cpu=0.5)
    service = create("second", deployment=wish(cpu=1)).service
    Operation.objects.update(status=OperationStatus.SUCCEEDED)
    with pytest.raises(Conflict) as caught:
        service_update(service=service, deployment=wish(cpu=1.6), user=None)
    assert "the others take 0.5 and this one asks for 1.6." in caught.value.message
    service_update(service=service, deployment=wish(cpu=1.5), user=None)
    assert used() == Ask(2, 2.0, 2048)


def test_an_update_that_is_refused_names_what_else_is_wrong(create: Create) -> None:
    service = create().service
    limit(cpu=0.5)
    with pytest.raises(Invalid) as caught:
        service_update(
            service=service, deployment=wish(cpu=3), model="models:/unknown/1", user=None
        )
    assert set(caught.value.fields) == {f"{RESOURCES}.cpu", "model"}


def test_a_limit_below_what_is_used_stops_nothing(create: Create) -> None:
    service = create("first").service
    Operation.objects.update(status=OperationStatus.SUCCEEDED)
    limit(services=0, cpu=0.5, memory_mb=64)
    service_update(service=service, deployment={"scoringTimeoutMs": 900}, user=None)
    Operation.objects.update(status=OperationStatus.SUCCEEDED)
    service_update(service=service, deployment=wish(cpu=0.8), user=None)
    Operation.objects.update(status=OperationStatus.SUCCEEDED)
    service_restart(service=service, user=None)
    Operation.objects.update(status=OperationStatus.SUCCEEDED)
    service_update(service=service, description="words", user=None)
    with pytest.raises(Conflict, match="allows 64 MB of memory"):
        service_update(service=service, deployment=wish(gb=2), user=None)
    assert Service.objects.get().desired == "running"


def test_an_update_under_way_counts_by_the_larger_revision() -> None:
    service = running("first", cpu=2, memory_mb=512)
    operation = updating(service)
    Revision.objects.filter(pk=operation.revision_id).update(
        deployment=DeploymentConfiguration(cpu=1, memory_mb=1024).as_dict()
    )
    assert used() == Ask(1, 2.0, 1024)  # it may go back to what still serves


def test_a_retry_is_refused_when_full(create: Create) -> None:
    operation = create("first")
    operation_end(operation, OperationStatus.FAILED, "It did not load.")
    service = Service.objects.get(name="first")
    again = operation_retry(operation=operation, user=None)  # it counts already
    operation_end(again, OperationStatus.CANCELLED)
    Service.objects.filter(pk=service.pk).update(desired="stopped")
    limit(services=0)
    with pytest.raises(Conflict) as caught:
        operation_retry(operation=again, user=None)
    assert caught.value.code == "quota"


def test_a_change_leaves_an_event_and_no_change_none(place: Target, user: User) -> None:
    given = {"services": 3, "cpu": None, "memory_mb": 2048}
    for _turn in range(2):
        state = quotas.quota_set(target=place, given=given, user=user)
    assert state.limits == Limits(services=3, memory_mb=2048)
    quotas.quota_set(target=place, given={**given, "services": None, "cpu": 1.5}, user=None)
    last, first = Event.objects.filter(kind="quota.changed")
    assert (first.subject_type, first.subject, first.actor) == ("target", "fake", user)
    assert first.data["before"] == {"services": None, "cpu": None, "memory_mb": None}
    assert first.data["after"] == given
    assert last.data["before"] == given
    assert "services 3 → no limit, cpu no limit → 1.5" in last.message


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, "3", "", True, [], {}, 10**400])
@pytest.mark.parametrize("resource", ["services", "cpu", "memory_mb"])
def test_a_value_that_is_no_limit_is_named(place: Target, resource: str, value: Any) -> None:
    given = {"services": None, "cpu": None, "memory_mb": None, resource: value}
    with pytest.raises(Invalid) as caught:
        quotas.quota_set(target=place, given=given, user=None)
    assert list(caught.value.fields) == [resource]
    assert not Quota.objects.exists()


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, {"services", "cpu", "memory_mb"}),
        ({"services": 1.5, "cpu": 2_000_000, "memory_mb": 0.5}, {"services", "cpu", "memory_mb"}),
        ({"services": 1, "cpu": 1, "memory_mb": 1, "memory": 1}, {"memory"}),
        ({"services": 1, "cpu": "x"}, {"cpu", "memory_mb"}),
    ],
)
def test_all_violations_come_at_once(place: Target, given: Any, fields: set[str]) -> None:
    with pytest.raises(Invalid) as caught:
        quotas.quota_set(target=place, given=given, user=None)
    assert set(caught.value.fields) == fields


@pytest.mark.parametrize("given", [None, [], "3", 3])
def test_what_is_no_object_is_refused(place: Target, given: Any) -> None:
    with pytest.raises(Invalid, match="JSON object"):
        quotas.quota_set(target=place, given=given, user=None)


def test_preflight_finds_a_full_quota_before_anything_is_deployed(create: Create) -> None:
    def found() -> tuple[str, str, str]:
        checks = preflight(name="ridge", model="models:/diabetes/1", target="fake")
        (check,) = [check for check in checks if check.name == "quota"]
        return check.result, check.sentence, check.next_step

    assert found() == ("passed", "The target has no quota.", "")
    limit(services=1)
    assert found()[:2] == ("passed", "The target's quota has room for it.")
    running("first")
    result, sentence, next_step = found()
    assert (result, next_step.endswith(NEXT)) == ("failed", True)
    assert sentence == "Target fake allows 1 service; the others are 1 already."


def test_the_queries_do_not_grow_with_services(
    place: Target, django_assert_max_num_queries: Any
) -> None:
    limit(services=100, cpu=100)
    running("first")
    place, configuration = Target.objects.get(), DeploymentConfiguration()
    with django_assert_max_num_queries(2):
        quotas.quota_check(place, configuration)
    for number in range(30):
        running(f"more-{number}")
    with django_assert_max_num_queries(2):
        quotas.quota_check(place, configuration)
    with django_assert_max_num_queries(2):
        quotas.states([place])
