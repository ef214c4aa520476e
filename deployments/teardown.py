"""The end of a service: what it left on disk and in tables goes, its operations and events stay."""

from __future__ import annotations

import shutil

from django.conf import settings
from django.utils.translation import gettext as _

from deployments import images, oplog, routes
from deployments.choices import OperationStatus, StepName, StepState
from deployments.drivers.base import Driver
from deployments.drivers.docker import DockerDriver
from deployments.models import Operation, Revision, Service
from deployments.operations import operation_end, step_end
from deployments.progress import advance, begin
from registry import uses
from workspaces.events import event_record


def clean_up(service: Service, operation: Operation | None, driver: Driver) -> None:
    """Remove everything of a service whose instances are gone, then its row."""
    step = None
    if operation is not None:
        advance(operation, None, down=True)
        for stop in operation.steps.filter(name=StepName.STOP):
            step_end(stop, StepState.SUCCEEDED)
        step = begin(operation, StepName.CLEAN_UP, _("Removing files and images."))
    revisions = list(service.revisions.all())
    tags = {revision.image for revision in revisions if revision.image}
    for revision in revisions:
        uses.use_remove(
            store=revision.model_store,
            name=revision.model_name,
            version=revision.model_version,
            service=service.name,
        )
    shutil.rmtree(settings.DATA.services / service.name, ignore_errors=True)
    name = service.name
    Service.objects.filter(pk=service.pk).delete()
    if isinstance(driver, DockerDriver):
        for tag in tags:
            if not Revision.objects.filter(image=tag).exists():
                images.image_remove(driver, tag)
    routes.publish()
    event_record(
        kind="service.deleted", subject_type="service", subject=name, message=f"{name} was deleted"
    )
    if operation is not None:
        if step is not None:
            oplog.writer(step)(_("Done."))
            step_end(step, StepState.SUCCEEDED)
        operation.refresh_from_db()
        operation_end(operation, OperationStatus.SUCCEEDED)
