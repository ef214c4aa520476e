"""Rows for tests: services and operations in any state, without running anything."""

from __future__ import annotations

from typing import Any

import factory
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from factory.django import DjangoModelFactory

from deployments.access import keys
from deployments.choices import LONG_STEPS, OperationKind, StepName, StepState
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.control.operations import operation_open
from deployments.models import Operation, Revision, Service, Step, Target


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda number: f"user{number}")


class TargetFactory(DjangoModelFactory[Target]):
    class Meta:
        model = Target
        django_get_or_create = ("name",)

    name = "fake"
    kind = factory.SelfAttribute("name")
    node = factory.LazyFunction(lambda: settings.DATA.node_id)
    checked_at = factory.LazyFunction(timezone.now)


class ServiceFactory(DjangoModelFactory[Service]):
    class Meta:
        model = Service

    name = factory.Sequence(lambda number: f"service-{number}")
    target = factory.SubFactory(TargetFactory)
    keys = factory.LazyFunction(keys.new_keys)


class RevisionFactory(DjangoModelFactory[Revision]):
    """A revision whose long steps have been done."""

    class Meta:
        model = Revision

    service = factory.SubFactory(ServiceFactory)
    number = 1
    model_store = "store"
    model_name = "diabetes"
    model_version = "1"
    model_sha256 = "0" * 64
    environment_hash = "1" * 64
    python = "3.11"
    runtime = "version-3.11"
    deployment = factory.LazyFunction(lambda: DeploymentConfiguration().as_dict())


def deploying(name: str = "", *, prepared: bool = True, **values: Any) -> Operation:
    """A service whose first deploy is under way; `prepared`: only Start and later are left."""
    service = ServiceFactory(**({"name": name} if name else {}), **values)
    revision = RevisionFactory(service=service)
    Service.objects.filter(pk=service.pk).update(wanted=revision)
    service.refresh_from_db()
    operation = operation_open(
        kind=OperationKind.DEPLOY, service=service, revision=revision, builds_image=False, user=None
    )
    if prepared:
        long_steps_done(operation)
    return operation


def updating(service: Service) -> Operation:
    """A second revision of a healthy service on its way, its long steps done."""
    number = service.revisions.count() + 1
    revision = RevisionFactory(service=service, number=number, model_version=str(number))
    Service.objects.filter(pk=service.pk).update(wanted=revision, generation=service.generation + 1)
    service.refresh_from_db()
    operation = operation_open(
        kind=OperationKind.UPDATE, service=service, revision=revision, builds_image=False, user=None
    )
    long_steps_done(operation)
    return operation


def long_steps_done(operation: Operation) -> None:
    """As a worker of the steps queue would leave it: only Start and later are to be done."""
    steps_done(operation, *(LONG_STEPS - {StepName.SMOKE_TEST}), StepName.QUEUED)


def steps_done(operation: Operation, *names: str) -> None:
    now = timezone.now()
    Step.objects.filter(operation=operation, name__in=names).update(
        state=StepState.SUCCEEDED, started_at=now, ended_at=now
    )
