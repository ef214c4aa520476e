"""Compute targets: those that exist by themselves, their drivers, their checks."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.module_loading import import_string

from deployments.drivers.base import CheckReport, Driver
from deployments.models import Target
from workspaces.events import event_record


def driver_config(kind: str) -> dict[str, Any]:
    """Constructor arguments of a driver from the settings of this node."""
    node = settings.DATA.node_id
    if kind == "local":
        return {
            "services": settings.DATA.services,
            "user": settings.SLIPWAY.service_user,
            "reserve_bytes": settings.SLIPWAY.min_free_bytes,
        }
    if kind == "docker":
        return {"node": node, "base_image": settings.SLIPWAY.base_image}
    return {"folder": settings.DATA.run / "fake"}


@lru_cache(maxsize=16)
def _driver(kind: str, path: str, data_root: str) -> Driver:
    driver: Driver = import_string(path)(**driver_config(kind))
    return driver


def driver_for(target: Target) -> Driver:
    """The driver of a target, one per process."""
    return _driver(target.kind, settings.SLIPWAY_DRIVERS[target.kind], str(settings.DATA.root))


def builds_image(target: Target) -> bool:
    """Whether operations on this target have the step Build image; loads no engine's SDK early."""
    return driver_for(target).builds_image


def targets_ensure() -> list[Target]:
    """Make the targets that exist by themselves: one of each kind that has a driver."""
    node = settings.DATA.node_id
    return [
        Target.objects.get_or_create(name=kind, defaults={"kind": kind, "node": node})[0]
        for kind in settings.SLIPWAY_DRIVERS
    ]


def target_check(*, target: Target, user: User | None = None) -> Target:
    """Ask the driver whether the target can be used now and keep the answer.

    A change between ready and not ready leaves an Event.
    """
    report: CheckReport = driver_for(target).check()
    before = list(target.problems) if target.checked_at else None
    problems = list(report.problems)
    capacity = {**asdict(report.capacity), "version": report.version}
    Target.objects.filter(pk=target.pk).update(
        problems=problems, capacity=capacity, checked_at=timezone.now()
    )
    if before is None or bool(before) != bool(problems):
        event_record(
            kind="target.ready" if not problems else "target.not_ready",
            subject_type="target",
            subject=target.name,
            level="info" if not problems else "warning",
            message=" ".join(problems) or f"{target.name} is ready",
            actor=user,
        )
    target.refresh_from_db()
    return target
