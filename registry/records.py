"""Our row beside a version of MLflow's: which version is meant, what was read, what was copied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from registry.models import VersionRecord
from workspaces.errors import Conflict
from workspaces.tracking.models.values import StoredVersion
from workspaces.tracking.store.opening import store_id

# what a row forgets when the model was deleted and made again under the same name
FORGOTTEN: dict[str, Any] = {
    "facts": {},
    "manifest": [],
    "sha256": "",
    "properties": {},
    "origin": {},
    "format": "",
    "format_problem": "",
    "framework": "",
    "framework_version": "",
    "sample_input": None,
    "sample_output": None,
    "notes": "",
    "memory_mb": None,
    "load_seconds": None,
    "ms_per_row": None,
    "checked_at": None,
}


def record_of(stored: StoredVersion) -> VersionRecord:
    """The row of a version, made when absent and emptied when it was another version's."""
    identity = identity_of(stored)
    record, _created = VersionRecord.objects.get_or_create(
        store=store_id(),
        name=stored.name,
        version=stored.version,
        defaults={"identity": identity},
    )
    if record.identity != identity:
        VersionRecord.objects.filter(pk=record.pk).exclude(identity=identity).update(
            identity=identity, **FORGOTTEN
        )
        record.refresh_from_db()
    return record


def record_write(record: VersionRecord, **values: Any) -> None:
    """Keep what was found, unless the number went to another version meanwhile."""
    VersionRecord.objects.filter(pk=record.pk, identity=record.identity).update(**values)


def properties_add(record: VersionRecord, added: Mapping[str, str]) -> None:
    """Set properties for good.

    Raises:
        Conflict: a key has another value already; `fields` names each.
    """
    with transaction.atomic():
        row = VersionRecord.objects.select_for_update().get(pk=record.pk)
        taken = [key for key, value in added.items() if row.properties.get(key, value) != value]
        if taken:
            keys = ", ".join(f"“{key}”" for key in taken)
            text = _("Properties never change once they are set: %(keys)s.") % {"keys": keys}
            raise Conflict(text, fields={"properties": [text]}, code="immutable")
        VersionRecord.objects.filter(pk=row.pk, identity=record.identity).update(
            properties={**row.properties, **added}
        )
    record.refresh_from_db()


def records_forget(name: str, version: str = "") -> None:
    """Delete the rows of a model, or of one version."""
    rows = VersionRecord.objects.filter(store=store_id(), name=name)
    (rows.filter(version=version) if version else rows).delete()


def identity_of(stored: StoredVersion) -> str:
    """Tells a version from another one of the same name and number."""
    made = stored.created_at.isoformat() if stored.created_at else ""
    return hashlib.sha256(f"{stored.source}\n{made}".encode()).hexdigest()
