"""Creating a service: what is refused, and that a refusal changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from deployments.configuring.configuration import GB
from deployments.control.ports import port_for
from deployments.models import Operation, Revision, Service, Target
from registry.models import VersionRecord, VersionUse
from tests.factories import RevisionFactory, ServiceFactory
from tests.services.conftest import Create
from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.models import Event
from workspaces.tracking.store.opening import store_id

pytestmark = pytest.mark.django_db


def rows() -> list[int]:
    tables = (Service, Revision, Operation, VersionUse, Event)
    return [table.objects.count() for table in tables]


def test_it_answers_with_the_open_operation_of_a_transitioning_service(create: Create) -> None:
    operation = create(description="Ridge", tags={"team": "a"})
    service = operation.service
    assert service is not None
    assert (operation.status, service.state, service.desired) == (
        "Running",
        "Transitioning",
        "running",
    )
    assert (service.description, service.tags) == ("Ridge", {"team": "a"})
    assert service.wanted == service.revisions.get()
    assert service.wanted.model_uri == "models:/diabetes/1"
    assert VersionUse.objects.get().service == "diabetes"
    assert Event.objects.get(kind="operation.deploy").actor.username == "ada"


@pytest.mark.parametrize("name", ["abc", "a-b", "a1x", "a--b-9" + "x" * 26, "a" * 32])
def test_names_that_can_be_used(create: Create, name: str) -> None:
    assert create(name).service_name == name


@pytest.mark.parametrize(
    "name",
    ["", "ab", "a" * 33, "Abc", "1abc", "-abc", "abc-", "a_b", "ä-b", "abc\n", "a b", None, 7],
)
def test_names_that_cannot_be_used(create: Create, name: Any) -> None:
    before = rows()
    with pytest.raises(Invalid) as caught:
        create(name)
    assert list(caught.value.fields) == ["name"]
    assert rows() == before


def test_every_violation_is_in_one_message(create: Create) -> None:
    before = rows()
    with pytest.raises(Invalid) as caught:
        create(
            "Bad Name",
            model="diabetes",
            deployment={"scoringTimeoutMs": 1, "numReplicas": 9, "cpuu": 1},
            inference={"entryScript": "score.py"},
        )
    fields = caught.value.fields
    wrong = {"name", "model", "inference.source", "scoringTimeoutMs", "numReplicas", "cpuu"}
    assert set(fields) == wrong
    assert all(name in caught.value.message for name in wrong)
    assert rows() == before


def test_an_unknown_version_stands_beside_what_else_is_wrong(create: Create) -> None:
    with pytest.raises(Invalid) as caught:
        create("No", model="models:/unknown/1", deployment={"workers": 0})
    assert set(caught.value.fields) == {"name", "model", "workers"}


@pytest.mark.parametrize("holds", [True, False])
def test_a_port_of_another_service_is_refused_by_its_name(create: Create, holds: bool) -> None:
    other = RevisionFactory(service__name="ridge")
    if holds:
        port_for(other, wanted=28_125)
    else:
        other.deployment["port"] = 28_125  # of a service that is stopped
        other.save()
        Service.objects.filter(pk=other.service_id).update(wanted=other)
    Target.objects.filter(name="fake").update(kind="local")
    before = rows()
    with pytest.raises(Invalid) as caught:
        create(deployment={"port": 28_125, "workers": 0})
    assert set(caught.value.fields) == {"port", "workers"}
    assert "the service ridge" in caught.value.fields["port"][0]
    assert rows() == before


@pytest.mark.parametrize("target", ["nowhere", "", None, 3, ["fake"]])
def test_an_unknown_target_is_named(create: Create, target: Any) -> None:
    with pytest.raises(Invalid) as caught:
        create(target=target)
    assert list(caught.value.fields) == ["target"]


@pytest.mark.parametrize("uri", ["", "diabetes/1", "models:/diabetes", "runs:/a/model", None, 1])
def test_a_uri_of_another_shape_is_invalid(create: Create, uri: Any) -> None:
    with pytest.raises(Invalid) as caught:
        create(model=uri)
    assert list(caught.value.fields) == ["model"]


@pytest.mark.parametrize("uri", ["models:/unknown/1", "models:/diabetes/99", "models:/diabetes/x"])
def test_a_version_that_does_not_exist_is_not_found(create: Create, uri: str) -> None:
    before = rows()
    with pytest.raises((NotFound, Invalid)):
        create(model=uri)
    assert rows() == before


def test_a_taken_name_is_a_conflict_even_while_its_service_is_being_deleted(create: Create) -> None:
    ServiceFactory(name="diabetes", desired="deleted")
    before = rows()
    with pytest.raises(Conflict) as caught:
        create()
    assert "diabetes exists already" in caught.value.message
    assert rows() == before


@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_a_name_at_once_one_wins(create: Create) -> None:
    def ask(_: int) -> str:
        try:
            create()
        except Conflict:
            return "conflict"
        finally:
            connection.close()
        return "created"

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(ask, range(4)))
    assert answers == ["conflict"] * 3 + ["created"]
    assert (Service.objects.count(), Revision.objects.count()) == (1, 1)
    assert Operation.objects.count() == 1


def test_measured_memory_decides_the_default(create: Create) -> None:
    VersionRecord.objects.create(store=store_id(), name="diabetes", version="1", memory_mb=2 * GB)
    revision = create().revision
    assert revision is not None
    assert revision.deployment["memory_mb"] == 3 * GB
