"""The orphan sweep: instances that no revision owns, and folders that a killed step left."""

from __future__ import annotations

import logging
import shutil
import time

from django.conf import settings

from deployments.drivers.base import Driver, TargetUnreachable
from deployments.instances import parse_instance_name, replica_folder
from deployments.models import Port, Target
from deployments.targets import driver_for, target_check, targets_ensure

logger = logging.getLogger(__name__)

STALE_SECONDS = 6 * 3600  # a step ends long before


def run() -> None:
    """Check the targets of this node, end orphans, empty `tmp/` of what is old."""
    targets_ensure()
    for target in Target.objects.filter(node=settings.DATA.node_id):
        if target.kind not in settings.SLIPWAY_DRIVERS:
            continue
        target_check(target=target)
        try:
            _end_orphans(driver_for(target))
        except TargetUnreachable as error:
            logger.info("no sweep of %s: %s", target.name, error)
    _empty_tmp()


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
        if now - path.stat().st_mtime > STALE_SECONDS:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
