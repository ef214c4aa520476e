"""What an operation of kind BUILD does: resolve a version's lock, and build it where asked."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.utils.translation import gettext as _

from deployments import selectors
from deployments.building import environments, images, pythons
from deployments.building.environment_images import image_size
from deployments.building.environment_locks import installed_keep, lock_ensure, pinned, total_size
from deployments.building.processes import Cancelled
from deployments.choices import StepName
from deployments.control import background
from deployments.control.step_handlers import StepFailed, Work, build_arguments, with_room
from deployments.drivers.docker import DockerDriver
from deployments.models import Target
from deployments.targets import driver_for
from registry.environments.versions import version_row
from registry.models import EnvironmentLock, EnvironmentVersion


def prepare(work: Work) -> str:
    """Resolve the lock that was asked for; build it when a target was named."""
    asked = work.operation.asked
    row = version_row(asked["environment"])
    try:
        lock = lock_ensure(work.builder(), row)
        packages = pinned(lock)
        background.found_keep(
            work.operation,
            hash=lock.sha256,
            packages=len(packages),
            download_bytes=total_size(packages),
        )
        if not asked.get("target"):
            return ""
        target = selectors.target_get(asked["target"])
        if driver_for(target).builds_image:
            _build_image(work, target, row, lock)
        else:
            _build_here(work, row, lock)
    except environments.EnvironmentFailed as error:
        raise StepFailed(str(error)) from error
    return ""


def _build_here(work: Work, row: EnvironmentVersion, lock: EnvironmentLock) -> None:
    python = pythons.find(settings.SLIPWAY.service_user, row.python)
    if python is None:
        found = pythons.available(settings.SLIPWAY.service_user)
        raise StepFailed(
            _("The environment needs Python %(wanted)s; this machine has %(found)s.")
            % {"wanted": row.python, "found": ", ".join(sorted(found)) or _("none")}
        )
    if row.base_image or row.docker_steps:
        work.log(_("The base image and the Docker steps are for container targets: left out here."))
    folder = environments.build(work.builder(), lock.text, python)
    installed_keep(lock, folder)
    background.found_keep(work.operation, installed_bytes=environments.installed_size(folder))


def _build_image(
    work: Work, target: Target, row: EnvironmentVersion, lock: EnvironmentLock
) -> None:
    builder = images.Builder(
        driver=cast(DockerDriver, driver_for(target)),
        base_image=row.base_image or settings.SLIPWAY.base_image,
        log=work.log,
        cancelled=work.cancelled,
        environment=build_arguments(),
    )
    try:
        minor = images.base_image_ready(builder)
        if minor != row.python:
            text = _("The environment needs Python %(wanted)s; %(image)s has %(found)s.")
            values = {"wanted": row.python, "image": builder.base_image, "found": minor}
            raise StepFailed(text % values)
        tag = images.environment_image(
            builder, lock_text=lock.text, environment_hash=lock.sha256, steps=row.docker_steps
        )
    except images.BuildCancelled as error:
        raise Cancelled from error
    size = image_size(builder.driver, tag)
    background.found_keep(work.operation, image=tag, installed_bytes=size)


HANDLERS = {StepName.PREPARE_ENVIRONMENT: with_room(prepare)}
