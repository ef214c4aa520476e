"""The rows of what was deleted: written before MLflow deletes, listed once it has.

A process may be killed at any moment in between. Its row then tells what was about to happen, and
`settle` asks MLflow what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from registry.models import Deleted, DeletedModel, DeletedVersion, VersionRecord
from registry.records import FORGOTTEN, identity_of
from workspaces.errors import NotFound, Problem
from workspaces.events import event_record
from workspaces.paging import Rows, rows_by_id
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.values import StoredModel, StoredVersion
from workspaces.tracking.store.opening import store_id

TOGETHER = 50  # versions whose records are in memory at once; one may have thousands of files
LOOKS = 3  # at a model's versions while others register more
STALE = timedelta(hours=1)  # a delete ends long before
SETTLED_AT_ONCE = 50  # a page that waits for MLflow waits no longer than for these
_LOGGED = "models:/m-"


def promise() -> str:
    """The sentence of how long something can be restored after it was deleted."""
    days = settings.SLIPWAY.keep_deleted_days
    if not days:
        return _("It cannot be restored.")
    text = ngettext(
        "It can be restored for %(days)s day.", "It can be restored for %(days)s days.", days
    )
    return text % {"days": days}


# --- writing -------------------------------------------------------------------------------------


def model_keep(stored: StoredModel, user: Any) -> DeletedModel:
    """Write down a model that is about to be deleted, and all its versions.

    Raises:
        Unavailable: MLflow does not answer.
    """
    kept, _made = DeletedModel.objects.update_or_create(
        store=store_id(),
        name=stored.name,
        defaults={
            "made_at": _iso(stored.created_at),
            "description": _text(stored.description),
            "tags": _texts(stored.tags),
            "gone": False,
            "deleted_by": user,
            "deleted_at": timezone.now(),
        },
    )
    for _look in range(LOOKS):
        highest = _versions_keep(stored.name, user)
        if int(tracking_models.model_get(stored.name).latest_version or 0) <= highest:
            break  # else somebody registered one meanwhile
    return kept


def _versions_keep(name: str, user: Any) -> int:
    """Write down all versions. Returns: the highest number."""
    token, highest = "", 0
    while True:
        page = tracking_models.versions_search(name, page_token=token, max_results=TOGETHER)
        for start in range(0, len(page.items), TOGETHER):  # some names come in one page
            versions_keep(page.items[start : start + TOGETHER], user)
        highest = max([highest, *(int(item.version) for item in page.items)])
        token = page.next_token
        if not token:
            return highest


def versions_keep(versions: Iterable[StoredVersion], user: Any) -> None:
    """Write down versions of one model that are about to be deleted; again renews the rows."""
    versions = list(versions)
    if not versions:
        return
    store, name = store_id(), versions[0].name
    numbers = [item.version for item in versions]
    found = VersionRecord.objects.filter(store=store, name=name, version__in=numbers)
    records = {(item.version, item.identity): item for item in found}
    rows = [_row(item, records.get((item.version, identity_of(item))), user) for item in versions]
    # of two who delete one version at once, the slower finds no record any more, and the row gone
    own = {"store", "name", "version", "identity", "claim", "claimed_at", "attempts", "id", "gone"}
    fields = {field.name for field in DeletedVersion._meta.fields} - own
    for has_record in (True, False):
        DeletedVersion.objects.bulk_create(
            [row for row in rows if bool(row.record) is has_record],
            update_conflicts=True,
            unique_fields=["store", "name", "version", "identity"],
            update_fields=sorted(fields if has_record else fields - {"record"}),
        )


def _row(stored: StoredVersion, record: VersionRecord | None, user: Any) -> DeletedVersion:
    source = _source(stored)
    return DeletedVersion(
        store=store_id(),
        name=stored.name,
        version=stored.version,
        identity=identity_of(stored),
        made_at=stored.created_at,
        source=source,
        run_id=stored.run_id,
        model_id=source.removeprefix("models:/") if source.startswith(_LOGGED) else "",
        description=_text(stored.description),
        tags=_texts(stored.tags),
        aliases=list(stored.aliases),
        record=_record_json(record) if record else {},
        deleted_by=user,
        deleted_at=timezone.now(),
    )


def _source(stored: StoredVersion) -> str:
    """Where the files are. Another version, which may go as well, says it for copies."""
    if stored.source.startswith("models:/") and not stored.source.startswith(_LOGGED):
        try:
            return tracking_models.version_location(stored.name, stored.version)
        except Problem:
            return stored.source
    return stored.source


def _record_json(record: VersionRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in FORGOTTEN}
    return values | {"checked_at": _iso(record.checked_at)}


def record_values(row: DeletedVersion) -> dict[str, Any]:
    """The fields of the VersionRecord that the version had."""
    values = {name: row.record.get(name, empty) for name, empty in FORGOTTEN.items()}
    checked = values["checked_at"]
    return values | {"checked_at": datetime.fromisoformat(checked) if checked else None}


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _text(value: str) -> str:
    """Text as every database can keep it; other clients of MLflow may have written anything."""
    return value.replace("\x00", "")


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in values.items()}


# --- MLflow has deleted --------------------------------------------------------------------------


def version_gone(row: DeletedVersion) -> None:
    """Say that MLflow has deleted a version; its record goes. Again is the same."""
    with transaction.atomic():
        if not DeletedVersion.objects.filter(pk=row.pk, gone=False).update(gone=True):
            return
        _records(row).filter(version=row.version, identity=row.identity).delete()
        deleted_event("version.deleted", row, row.version, _("Deleted."), row.deleted_by)


def model_gone(kept: DeletedModel) -> None:
    """Say that MLflow has deleted a model with all its versions. Again is the same."""
    with transaction.atomic():
        if not DeletedModel.objects.filter(pk=kept.pk, gone=False).update(gone=True):
            return
        rows = DeletedVersion.objects.filter(store=kept.store, name=kept.name, gone=False)
        _records(kept).filter(identity__in=rows.values("identity")).delete()
        rows.update(gone=True)
        deleted_event("model.deleted", kept, "", _("Deleted."), kept.deleted_by)


def _records(row: Deleted) -> QuerySet[VersionRecord]:
    return VersionRecord.objects.filter(store=row.store, name=row.name)


def deleted_event(kind: str, row: Deleted, version: str, what: str, user: Any, **data: Any) -> None:
    """One event about what was deleted."""
    subject = _("Version %(version)s") % {"version": version} if version else _("Model")
    event_record(
        kind=kind,
        subject_type="model",
        subject=row.name,
        message=f"{subject}: {what}",
        actor=user,
        data={"name": row.name, "version": version, **data},
    )


def settle(name: str = "") -> None:
    """Find out what became of deletions that nobody saw end. Nothing is asked when there are none.

    Args:
        name: of one model; "" for all of them.
    """
    if "\x00" in name:
        return
    only = {"name": name} if name else {}
    models = DeletedModel.objects.filter(store=store_id(), gone=False, **only)
    versions = DeletedVersion.objects.filter(store=store_id(), gone=False, **only).defer("record")
    try:
        for kept in models.order_by("pk")[:SETTLED_AT_ONCE]:
            _settle_model(kept)
        for row in versions.order_by("pk")[:SETTLED_AT_ONCE]:
            _settle_version(row)
    except Problem:
        return  # MLflow does not answer: what is not known is not listed


def _settle_model(kept: DeletedModel) -> None:
    try:
        lives = _iso(tracking_models.model_get(kept.name).created_at) == kept.made_at
    except NotFound:
        lives = False
    if not lives:
        model_gone(kept)
    elif kept.deleted_at < timezone.now() - STALE:
        DeletedModel.objects.filter(pk=kept.pk, gone=False, deleted_at=kept.deleted_at).delete()


def _settle_version(row: DeletedVersion) -> None:
    try:
        lives = identity_of(tracking_models.version_get(row.name, row.version)) == row.identity
    except NotFound:
        lives = False
    if not lives:
        version_gone(row)
    elif row.deleted_at < timezone.now() - STALE:
        DeletedVersion.objects.filter(pk=row.pk, gone=False, deleted_at=row.deleted_at).delete()


# --- reading -------------------------------------------------------------------------------------


def horizon() -> datetime:
    """What was deleted at this moment or before is to be removed for good."""
    return timezone.now() - timedelta(days=settings.SLIPWAY.keep_deleted_days)


def versions_kept(name: str = "") -> QuerySet[DeletedVersion]:
    """Deleted versions that can be restored, of one model or all."""
    rows = DeletedVersion.objects.filter(store=store_id(), gone=True, deleted_at__gt=horizon())
    if "\x00" in name:
        return rows.none()
    return rows.filter(name=name) if name else rows


def models_kept() -> QuerySet[DeletedModel]:
    """Deleted models that can be restored, those included whose name lives again."""
    return DeletedModel.objects.filter(store=store_id(), gone=True, deleted_at__gt=horizon())


def versions_page(name: str = "", token: str = "", limit: int = 50) -> Rows[DeletedVersion]:
    """A page of deleted versions, those deleted last first. Raises: Invalid: a strange token."""
    settle(name)
    rows = versions_kept(name).defer("record").select_related("deleted_by")
    return rows_by_id(rows, token, limit)


def models_page(token: str = "", limit: int = 50) -> tuple[Rows[DeletedModel], dict[str, int]]:
    """A page of deleted models that do not live again, and how many versions of each are kept.

    A page may have fewer rows than `limit` though there is a next one.

    Raises:
        Invalid: a strange token. Unavailable: MLflow does not answer.
    """
    settle()
    page = rows_by_id(models_kept().select_related("deleted_by"), token, limit)
    living = tracking_models.models_living([item.name for item in page.items])
    items = [item for item in page.items if item.name not in living]
    counted = versions_kept().filter(name__in=[item.name for item in items]).order_by()
    counts = dict(counted.values_list("name").annotate(Count("pk")))
    return Rows(items, page.next_token), counts


def model_find(name: str) -> DeletedModel | None:
    """The deleted model of this name that can be restored, also when the name lives again."""
    if "\x00" in name:
        return None
    return models_kept().select_related("deleted_by").filter(name=name).first()


def is_kept(name: str) -> bool:
    """Whether anything deleted of this name can be restored."""
    settle(name)
    return model_find(name) is not None or versions_kept(name).exists()


def check_kept(name: str) -> None:
    """Raises: NotFound: nothing deleted of this name can be restored."""
    if not is_kept(name):
        raise NotFound(_("There is no deleted model named “%(name)s”.") % {"name": name[:200]})


def version_get(deleted_id: int) -> DeletedVersion:
    """Raises: NotFound: nothing of this number can be restored."""
    row = versions_kept().select_related("deleted_by").filter(pk=deleted_id).first()
    if row is None:
        raise NotFound(_("There is no such deleted version: it was restored, or removed for good."))
    return row
