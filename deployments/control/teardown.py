"""The end of a service: what it left on disk and in tables goes, its operations and events stay."""

from __future__ import annotations

import logging
import shutil

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from deployments.building import image_removal
from deployments.choices import OperationKind, OperationStatus, StepName, StepState
from deployments.configuring.inference import models_of
from deployments.control import routes
from deployments.control.operations import current_step, operation_end, step_end
from deployments.drivers.base import Driver, DriverError
from deployments.drivers.docker import DockerDriver
from deployments.logs import oplog
from deployments.models import Operation, Revision, Service
from deployments.pages.progress import advance, begin
from registry import uses
from workspaces.events import event_record

logger = logging.getLogger(__name__)


def clean_up(service: Service, operation: Operation | None, driver: Driver) -> None:
    """Remove everything of a service whose instances are gone, then its row.

    Killed at any moment it is done again: the row, its operation and what they are found by end
    together, after everything else.
    """
    if operation is not None:
        advance(operation, None, down=True)
        for stop in operation.steps.filter(name=StepName.STOP):
            step_end(stop, StepState.SUCCEEDED)
        begin(operation, StepName.CLEAN_UP, _("Removing files and images."))
    _remove_images(service, driver)
    shutil.rmtree(settings.DATA.services / service.name, ignore_errors=True)
    with transaction.atomic():
        _forget(service, operation)
    routes.publish()


def _remove_images(service: Service, driver: Driver) -> None:
    """Images that no other service has; what an engine does not remove now is the sweep's."""
    if not isinstance(driver, DockerDriver):
        return
    tags = set(service.revisions.exclude(image="").values_list("image", flat=True))
    others = Revision.objects.exclude(service=service)
    tags -= set(others.filter(image__in=tags).values_list("image", flat=True))
    try:
        for tag in sorted(tags):
            image_removal.image_remove(driver, tag)
    except DriverError as error:
        logger.warning("images of %s stay for now: %s", service.name, error)


def _forget(service: Service, operation: Operation | None) -> None:
    """Inside a transaction: the rows of a service go, its operation has ended."""
    name = service.name
    for revision in service.revisions.all():
        for model, version in models_of(revision):
            uses.use_remove(store=revision.model_store, name=model, version=version, service=name)
    if operation is not None:
        operation_finish(operation)
    Service.objects.filter(pk=service.pk).delete()
    event_record(
        kind="service.deleted", subject_type="service", subject=name, message=f"{name} was deleted"
    )


def operation_finish(operation: Operation) -> None:
    """End an operation whose service is gone: a delete has what it wanted, others lost theirs."""
    if operation.kind != OperationKind.DELETE:
        operation_end(operation, OperationStatus.CANCELLED, _("The service was deleted."))
        return
    while (step := current_step(operation)) is not None:
        oplog.writer(step)(_("Done."))
        step_end(step, StepState.SUCCEEDED)
    operation_end(operation, OperationStatus.SUCCEEDED)
