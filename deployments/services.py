"""What people do with services: create, update, stop, start, restart, delete, keys.

Pages and API call these and nothing else. Each checks everything first, writes rows in one short
transaction, wakes the control workers and returns at once; reconcile does the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import quotas
from deployments.access import keys
from deployments.changes import change, refresh
from deployments.choices import (
    Desired,
    OperationKind,
    ServiceState,
)
from deployments.configuring import configuration
from deployments.configuring.checks import (
    Problems,
    base_configuration,
    check_tags,
    configured,
    inference_check,
    name_check,
    script_check,
    target_get,
    version_get,
)
from deployments.configuring.inference import models_of, with_model
from deployments.configuring.v1_configuration import documents_read, v1_of
from deployments.control import routes
from deployments.control.operations import operation_open
from deployments.control.wake import wake
from deployments.models import Operation, Revision, Service, Target
from deployments.targets import builds_image
from registry import uses
from registry.services import VersionInfo
from workspaces.errors import Conflict, Invalid, NotFound

WORDS = ("tags", "properties", "description")  # of a configuration, and kept with the service


def service_create(
    *,
    name: str,
    model: str,
    target: str,
    inference: Mapping[str, Any] | None = None,
    deployment: Mapping[str, Any] | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    v1: Mapping[str, Any] | None = None,
    user: User | None,
) -> Operation:
    """Deploy a model version as a new service.

    Args:
        model: `models:/NAME/VERSION`.
        inference: an entry script with its source and environment, ours or v1's JSON; see
            `deployments.configuring.inference`. None or empty: no code.
        deployment: v1's JSON names, or v1's own JSON for a cloud target; omitted values take our
            defaults.
        v1: documents of v1 that these were read from, kept for the export: `{"inferenceconfig",
            "deploymentconfig"}`.
    Returns:
        the open operation; its service is Transitioning.
    Raises:
        Invalid: with every violation by field. Conflict: the name is taken, or the target's
        quota has no room (`quota`).
        NotFound: there is no such model version. Unavailable: MLflow does not answer.
    """
    problems = Problems()
    problems.part(name_check, name)
    taken = not problems.found and Service.objects.filter(name=name).exists()
    place = problems.part(target_get, target)
    settings_ = problems.part(_configured_anew, place, deployment, model) if place else None
    version = problems.part(version_get, model)
    scripted = problems.part(_script_read, inference, model, version)
    original = problems.part(lambda: documents_read(v1) | v1_of(inference, deployment))
    problems.part(check_tags, tags)
    if place and settings_ and not taken:
        problems.part(quotas.quota_check, place, settings_)
    problems.raise_all()
    if place is None or settings_ is None or version is None:
        raise Invalid(_("The request is incomplete."))
    if taken:
        raise Conflict(_name_taken(name), fields={"name": [_name_taken(name)]})
    return _create(
        name=name,
        place=place,
        version=version,
        configuration_=settings_,
        inference=scripted or {},
        v1=original or {},
        description=description or settings_.description,
        tags=dict(tags if tags is not None else settings_.tags),
        user=user,
    )


def _configured_anew(
    place: Target, deployment: Any, model: Any
) -> configuration.DeploymentConfiguration:
    return configured(place, deployment, base_configuration(place, model))


def _script_read(inference: Any, model: Any, version: VersionInfo | None) -> dict[str, Any]:
    """The inference configuration, which `version`, if it could be read, can be served with."""
    scripted = inference_check(inference, model)
    if version is not None:
        script_check(version, scripted)
    return scripted


def _name_taken(name: str) -> str:
    return _("A service named %(name)s exists already; choose another name.") % {"name": name}


def _create(
    *,
    name: str,
    place: Target,
    version: VersionInfo,
    configuration_: configuration.DeploymentConfiguration,
    inference: dict[str, Any],
    v1: dict[str, Any],
    description: str,
    tags: dict[str, str],
    user: User | None,
) -> Operation:
    try:
        with transaction.atomic():
            quotas.lock(place.pk)
            quotas.quota_check(place, configuration_)
            service = Service.objects.create(
                name=name,
                description=description,
                tags=tags,
                properties=configuration_.properties,
                target=place,
                keys=keys.new_keys(),
                reason="Deploying",
                created_by=user,
            )
            revision = _revision(service, version, configuration_, inference, v1, user)
            service.wanted = revision
            service.save(update_fields=["wanted"])
            operation = operation_open(
                kind=OperationKind.DEPLOY,
                service=service,
                revision=revision,
                builds_image=builds_image(place),
                user=user,
            )
    except IntegrityError:
        raise Conflict(_name_taken(name), fields={"name": [_name_taken(name)]}) from None
    routes.publish()
    wake()
    return operation


def _revision(
    service: Service,
    version: VersionInfo,
    configuration_: configuration.DeploymentConfiguration,
    inference: dict[str, Any],
    v1: dict[str, Any],
    user: User | None,
) -> Revision:
    last = service.revisions.aggregate(last=Max("number"))["last"] or 0
    revision = Revision(
        service=service,
        number=last + 1,
        model_store=version.store,
        model_name=version.name,
        model_version=version.version,
        python=version.python_version,
        inference=inference,
        v1=v1,
        deployment=configuration_.as_dict(),
        created_by=user,
    )
    for name, number in models_of(revision):
        uses.use_add(store=version.store, name=name, version=number, service=service.name)
    revision.save()
    return revision


def service_update(
    *,
    service: Service,
    model: str | None = None,
    inference: Mapping[str, Any] | None = None,
    deployment: Mapping[str, Any] | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    v1: Mapping[str, Any] | None = None,
    user: User | None,
) -> Operation | None:
    """Change a service; omitted is unchanged. Model, inference or deployment make a revision.

    A deployment that names nothing but `WORDS` makes none: they are the service's. `v1` is as in
    `service_create`; what is left out of it stays.

    Returns:
        the open operation, or None when only words about the service changed.
    Raises:
        Invalid: nothing to change, or values that cannot be used. Conflict: an operation is open,
        the service is being deleted, or the target's quota has no room (`quota`).
    """
    if all(item is None for item in (model, inference, deployment, description, tags)):
        raise Invalid(_("No parameters provided to update."))
    latest = _latest(service)
    only_words = (
        model is None and inference is None and (deployment is None or _is_words(deployment))
    )
    before = latest.model_uri if latest else ""
    uri = before if model is None else model
    kept = latest.inference if latest else {}
    asked = with_model(kept, before, uri) if inference is None else inference
    settings_, version, scripted = _update_checked(
        service,
        _before(service, latest),
        deployment,
        tags,
        None if only_words else uri,
        asked,
    )
    documents = {**documents_read(v1), **v1_of(inference, deployment)}
    original = {**(latest.v1 if latest else {}), **documents}
    details = _details(settings_, deployment or {}, description=description, tags=tags)
    if version is None:
        _words_write(service, details)
        return None
    script_check(version, scripted)
    if "token" not in service.keys:  # made before services had tokens
        details["keys"] = {"token": keys.new_sealed(), **service.keys}
    return change(
        service,
        OperationKind.UPDATE,
        Desired.RUNNING,
        user,
        details=details,
        revise=lambda row: _revision(row, version, settings_, scripted, original, user),
    )


def _latest(service: Service) -> Revision | None:
    """The revision that an update starts from: not one whose update failed."""
    try:
        return service.wanted or service.revisions.first()
    except Revision.DoesNotExist:
        raise NotFound(_("There is no such service.")) from None


def _details(
    settings_: configuration.DeploymentConfiguration, deployment: Mapping[str, Any], **given: Any
) -> dict[str, Any]:
    """The words about the service to write: those of the configuration, then those `given`."""
    words = {key: getattr(settings_, key) for key in WORDS if key in deployment}
    return words | {key: value for key, value in given.items() if value is not None}


def _update_checked(
    service: Service,
    before: configuration.DeploymentConfiguration | None,
    deployment: Mapping[str, Any] | None,
    tags: Mapping[str, str] | None,
    uri: str | None,
    inference: Mapping[str, Any],
) -> tuple[configuration.DeploymentConfiguration, VersionInfo | None, dict[str, Any]]:
    """The configurations and the version (of `uri`, if any); raises Invalid with every problem."""
    problems = Problems()
    runs = uri is not None
    settings_ = problems.part(_settings_checked, service, before, deployment, tags, runs=runs)
    version = None if uri is None else problems.part(version_get, uri)
    scripted = None if uri is None else problems.part(inference_check, inference, uri)
    problems.raise_all()
    assert settings_ is not None
    return settings_, version, scripted or {}


def _settings_checked(
    service: Service,
    before: configuration.DeploymentConfiguration | None,
    deployment: Any,
    tags: Mapping[str, str] | None,
    *,
    runs: bool,
) -> configuration.DeploymentConfiguration:
    """The configuration of an update; `runs`: a revision with it will, so that it needs room."""
    check_tags(tags)
    settings_ = configured(service.target, deployment, before, service)
    if runs:
        quotas.quota_check(service.target, settings_, service)
    return settings_


def _words_write(service: Service, details: dict[str, Any]) -> None:
    changed = Service.objects.filter(pk=service.pk).update(**details, updated_at=timezone.now())
    if not changed:
        raise NotFound(_("There is no such service."))
    refresh(service)


def _before(
    service: Service, latest: Revision | None
) -> configuration.DeploymentConfiguration | None:
    """What an update starts from: the latest revision's, with the words of the service itself."""
    if latest is None:
        return None
    words = {key: getattr(service, key) for key in WORDS}
    return replace(configuration.from_dict(latest.deployment), **words)


def _is_words(deployment: Any) -> bool:
    return isinstance(deployment, Mapping) and bool(deployment) and set(deployment) <= set(WORDS)


def service_stop(*, service: Service, user: User | None) -> Operation:
    """Stop: always accepted, cancels an open operation. The service keeps its settings and keys."""
    return change(service, OperationKind.STOP, Desired.STOPPED, user, cancel=True)


def service_start(*, service: Service, user: User | None) -> Operation:
    """Start a stopped or failed service again with its latest revision.

    Raises:
        Conflict: it runs already, an operation is open, or the target's quota has no room.
    """
    if service.desired == Desired.RUNNING and service.state != ServiceState.FAILED:
        raise Conflict(_("The service is running already."))
    return change(service, OperationKind.START, Desired.RUNNING, user)


def service_restart(*, service: Service, user: User | None) -> Operation:
    """Start the processes of the wanted revision anew."""
    if service.desired != Desired.RUNNING:
        raise Conflict(_("The service is stopped; start it instead."))
    return change(service, OperationKind.RESTART, Desired.RUNNING, user)


def service_delete(*, service: Service, user: User | None) -> Operation:
    """Delete a service with its processes, files and keys; cancels an open operation.

    Asked for twice it answers with the operation that is already deleting.
    """
    if service.desired == Desired.DELETED:
        deleting = service.operations.filter(kind=OperationKind.DELETE).first()
        if deleting is not None and deleting.is_open:
            return deleting
    return change(service, OperationKind.DELETE, Desired.DELETED, user, cancel=True)
