"""The orphan sweep: what no revision owns or names, and what killed workers left half-way."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from django.conf import settings

from deployments.building import image_removal, image_runs, runtimes
from deployments.choices import OperationStatus
from deployments.control.instances import parse_instance_name, replica_folder
from deployments.control.teardown import operation_finish
from deployments.drivers.base import Driver, DriverError
from deployments.drivers.docker import DockerDriver
from deployments.models import Finding, Operation, Port, Revision, Target
from deployments.targets import driver_for, target_check, targets_ensure
from deployments.trying import profile_replica
from registry.deleted import purging
from registry.environments.selectors import lock_is_kept
from registry.incoming import staging
from registry.scripts import folders

logger = logging.getLogger(__name__)

STALE_SECONDS = 6 * 3600  # a step ends long before
PROBE_SECONDS = 3600  # a check of a model ends long before
IMAGE_HOURS = 1.0
FOLDER_SECONDS = 24 * 3600


def run() -> None:
    """Check the targets of this node, end orphans, empty `tmp/` of what is old."""
    targets_ensure()
    _end_ownerless()
    for target in Target.objects.filter(node=settings.DATA.node_id):
        if target.kind not in settings.SLIPWAY_DRIVERS:
            continue
        target_check(target=target)
        try:
            driver = driver_for(target)
            _end_orphans(driver)
            profile_replica.end_leftovers(driver)
            _remove_old_images(driver)
        except DriverError as error:
            logger.info("no sweep of %s: %s", target.name, error)
    staging.sweep()
    purging.sweep()
    _empty_tmp()
    _remove_old_runtimes()
    _remove_unused_folders()


def _end_ownerless() -> None:
    """Operations whose service is gone: nothing else would ever end them."""
    open_ = Operation.objects.filter(status=OperationStatus.RUNNING)
    for operation in open_.filter(service=None, subject=""):
        logger.warning("ending operation %s of %s", operation.pk, operation.service_name)
        operation_finish(operation)


def _end_orphans(driver: Driver) -> None:
    for name in list(driver.names()):
        try:
            service, revision, replica = parse_instance_name(name)
        except ValueError:
            continue
        owned = Port.objects.filter(
            revision__service__name=service, revision__number=revision, replica=replica
        ).exists()
        if not owned:
            logger.warning("ending orphan %s", name)
            driver.remove(name, replica_folder(service, revision, replica))


def _empty_tmp() -> None:
    now = time.time()
    for path in settings.DATA.tmp.glob("*"):
        if now - path.lstat().st_mtime > STALE_SECONDS:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _remove_old_runtimes() -> None:
    """Runtimes of earlier versions that no revision is pinned to; the present one stays."""
    used = set(Revision.objects.values_list("runtime", flat=True))
    now = time.time()
    for path in settings.DATA.runtimes.glob("[!.]*"):
        kept = path.name in used or path.name.startswith(f"{runtimes.version()}-")
        if not kept and now - path.stat().st_mtime > STALE_SECONDS:
            logger.info("removing the runtime %s", path.name)
            shutil.rmtree(path, ignore_errors=True)
            (path.parent / f".{path.name}.lock").unlink(missing_ok=True)


def _remove_old_images(driver: Driver) -> None:
    """What no service needs on an engine: containers of killed checks, images, layers of builds."""
    if not isinstance(driver, DockerDriver):
        return
    if count := image_runs.remove_old(driver, PROBE_SECONDS):
        logger.warning("removed %s containers that a killed check left", count)
    for tag in image_removal.service_images(driver, hours=IMAGE_HOURS):
        if tag.startswith("slipway/service:") and not Revision.objects.filter(image=tag).exists():
            logger.info("removing the image %s, which no revision names", tag)
            image_removal.image_remove(driver, tag)
    base, root = settings.SLIPWAY.base_image, runtimes.SOURCE.parent
    for tag in image_removal.shared_images_remove_old(driver, base_image=base, runtime_root=root):
        logger.info("removed the image %s", tag)
    image_removal.images_prune(driver)


def _remove_unused_folders() -> None:
    """Models, environments and sources that no revision is made of, a day after they were made.

    The source that a version was tried with stays as long as what was found.
    What an environment of the registry came to stays until its versions are archived.

    Only while nothing is under way: an operation uses what it has not yet written down.
    """
    prepared = Revision.objects.exclude(prepared={}).values_list("prepared", flat=True)
    more = {item["sha256"] for found in prepared for item in found.get("models", [])}
    _remove_unused(settings.DATA.models, "model_sha256", more)
    _remove_unused(settings.DATA.environments, "environment_hash")
    asked = Finding.objects.values_list("asked", flat=True)  # a profile takes the same script
    tried = {(found.get("inference") or {}).get("source", "") for found in asked}
    _remove_unused(settings.DATA.sources, "inference__source", tried)
    folders.sources_sweep()


def _remove_unused(root: Path, field: str, kept: Collection[str] = ()) -> None:
    before = time.time() - FOLDER_SECONDS
    for path in root.glob("*"):
        if not re.fullmatch(r"[0-9a-f]{64}", path.name) or path.stat().st_mtime > before:
            continue
        if Operation.objects.filter(status=OperationStatus.RUNNING).exists():
            return
        used = path.name in kept or Revision.objects.filter(**{field: path.name}).exists()
        is_kept = field == "environment_hash" and lock_is_kept(path.name)  # built ahead
        if not used and not is_kept:
            logger.info("removing %s, which no revision names", path)
            gone = settings.DATA.tmp / f"unused-{path.name}"
            path.rename(gone)  # at once: nobody takes half of it for the whole
            shutil.rmtree(gone, ignore_errors=True)
