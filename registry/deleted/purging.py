"""Removing for good what was deleted, with the files of uploads that no version has any more."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from registry.deleted import keeping
from registry.deleted.claiming import claimed
from registry.models import DeletedModel, DeletedVersion
from workspaces.errors import NotFound, Problem, Unavailable
from workspaces.tracking.models import places as tracking_places
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.store.opening import store_id

AT_ONCE = 500  # versions of one sweep

logger = logging.getLogger(__name__)


def version_purge(*, deleted_id: int, user: Any) -> DeletedVersion:
    """Remove a deleted version for good, with its files unless a run or another version has them.

    Returns:
        What it was.
    Raises:
        NotFound: there is no such deleted version.
        Conflict: it is just being restored. Unavailable: MLflow or its artifacts.
    """
    row = keeping.version_get(deleted_id)
    _purge(row, user)
    return row


def model_purge(*, name: str, user: Any) -> None:
    """Remove a deleted model for good, with all its deleted versions.

    Raises:
        NotFound: no deleted model has this name.
        Conflict: a version is just being restored. Unavailable: MLflow or its artifacts.
    """
    keeping.check_kept(name)
    rows = keeping.versions_kept(name).defer("record")
    for pk in list(rows.values_list("pk", flat=True)):
        row = rows.filter(pk=pk).first()
        if row is not None:
            _purge(row, user)
    kept = keeping.model_find(name)
    if kept is not None:
        with transaction.atomic():
            DeletedModel.objects.filter(pk=kept.pk).delete()
            keeping.deleted_event("model.purged", kept, "", _("Removed for good."), user)


def sweep() -> None:
    """Remove what was deleted longer ago than it is kept. Never raises for a silent MLflow."""
    keeping.settle()
    try:
        tracking_places.removals_finish()
    except Problem as problem:
        logger.warning("%s", problem)
    due_purge()


def due_purge(name: str = "") -> None:
    """Remove what is due, of one model or of all; what cannot be removed now stays for later."""
    only = {"name": name} if name else {}
    due = {"store": store_id(), "gone": True, "deleted_at__lte": keeping.horizon(), **only}
    for row in DeletedVersion.objects.filter(**due).defer("record").order_by("pk")[:AT_ONCE]:
        try:
            _purge(row, None)
        except Problem as problem:
            logger.warning("%s cannot be removed now: %s", row, problem)
            if isinstance(problem, Unavailable):
                return
    names = DeletedVersion.objects.filter(store=store_id()).values("name")
    DeletedModel.objects.filter(**due).exclude(name__in=names).delete()


def _purge(row: DeletedVersion, user: Any) -> None:
    with claimed(row):
        if _has_files_alone(row):
            tracking_places.place_remove(row.source)
            what = _("Removed for good, with its files.")
        else:
            what = _("Removed for good; its files stay.")
        with transaction.atomic():
            DeletedVersion.objects.filter(pk=row.pk).delete()
            keeping.deleted_event("version.purged", row, row.version, what, user)


def _has_files_alone(row: DeletedVersion) -> bool:
    """Whether the files are of an upload, and no other version has them, deleted or not.

    A version that is deleted meanwhile has its row before it stops living, one that is restored
    lives before its row goes: so the rows are looked at before and after.
    """
    if not tracking_places.place_is_own(row.source):
        return False
    try:
        location = tracking_places.place_location(row.source)
    except NotFound:
        return False
    same = DeletedVersion.objects.filter(source__in={row.source, location})
    others = same.exclude(pk=row.pk)
    return not (
        others.exists()
        or tracking_models.versions_of_source(row.source)
        or tracking_models.copies_of_location(location)
        or others.exists()
    )
