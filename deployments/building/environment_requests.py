"""What people ask of environments: make one, resolve its lock, build it ahead."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from deployments.choices import OperationKind
from deployments.control.background import background_open
from deployments.models import Operation, Target
from registry.environments.services import environment_create
from registry.models import EnvironmentVersion
from workspaces.errors import Conflict, Invalid


def environment_add(*, user: User | None, **values: Any) -> tuple[EnvironmentVersion, Operation]:
    """Make a version of an environment and have its lock resolved in the background.

    Args:
        values: those of `registry.environments.services.environment_create`.
    Raises:
        Invalid: every violation, in `fields`.
    """
    with transaction.atomic():
        row = environment_create(user=user, **values)
        operation = lock_request(row=row, user=user)
    return row, operation


def lock_request(*, row: EnvironmentVersion, user: User | None) -> Operation:
    """Resolve the lock of a version. Raises: Conflict: another one is under way."""
    return background_open(
        kind=OperationKind.BUILD, subject=str(row), asked={"environment": str(row)}, user=user
    )


def build_request(*, row: EnvironmentVersion, target: str, user: User | None) -> Operation:
    """Build a version ahead on a target of this studio, its lock first where it has none.

    Raises:
        Invalid: there is no such target here.
        Conflict: the version is archived, or another build of it is under way.
    """
    if row.archived:
        raise Conflict(_("This version is archived. Restore it before building it."))
    known = [item.name for item in build_targets()]
    if target not in known:
        text = _("There is no target %(name)s to build on; there is %(known)s.")
        sentence = text % {"name": str(target)[:80], "known": ", ".join(known) or _("none")}
        raise Invalid(sentence, fields={"target": [sentence]})
    return background_open(
        kind=OperationKind.BUILD,
        subject=build_subject(row, target),
        asked={"environment": str(row), "target": target},
        user=user,
    )


def build_subject(row: EnvironmentVersion, target: str = "") -> str:
    """What an operation on a version is called: "NAME:2", or "NAME:2 on docker"."""
    return f"{row} on {target}" if target else str(row)


def build_targets() -> list[Target]:
    """Targets of this node that environments can be built on, by name. One query."""
    rows = Target.objects.filter(node=settings.DATA.node_id, kind__in=settings.SLIPWAY_DRIVERS)
    return list(rows.order_by("name"))


def operations_of(row: EnvironmentVersion, targets: list[Target]) -> list[Operation]:
    """The latest operation on a version for its lock and for each target, newest first."""
    subjects = [build_subject(row), *(build_subject(row, item.name) for item in targets)]
    rows = Operation.objects.filter(kind=OperationKind.BUILD, subject__in=subjects)
    found: dict[str, Operation] = {}
    for operation in rows.order_by("-created_at")[:50]:
        found.setdefault(operation.subject, operation)
    return list(found.values())
