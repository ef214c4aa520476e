"""Our row beside a version of MLflow's: which version is meant, what was read, what was copied."""

from __future__ import annotations

import hashlib
from typing import Any

from registry.models import VersionRecord
from workspaces.tracking_model_values import StoredVersion
from workspaces.tracking_stores import store_id

# what a row forgets when the model was deleted and made again under the same name
_FORGOTTEN: dict[str, Any] = {
    "facts": {},
    "manifest": [],
    "sha256": "",
    "properties": {},
    "memory_mb": None,
    "load_seconds": None,
    "ms_per_row": None,
    "checked_at": None,
}


def record_of(stored: StoredVersion) -> VersionRecord:
    """The row of a version, made when absent and emptied when it was another version's."""
    identity = _identity(stored)
    record, _created = VersionRecord.objects.get_or_create(
        store=store_id(),
        name=stored.name,
        version=stored.version,
        defaults={"identity": identity},
    )
    if record.identity != identity:
        VersionRecord.objects.filter(pk=record.pk).exclude(identity=identity).update(
            identity=identity, **_FORGOTTEN
        )
        record.refresh_from_db()
    return record


def record_write(record: VersionRecord, **values: Any) -> None:
    """Keep what was found, unless the number went to another version meanwhile."""
    VersionRecord.objects.filter(pk=record.pk, identity=record.identity).update(**values)


def records_forget(name: str, version: str = "") -> None:
    """Delete the rows of a model, or of one version."""
    rows = VersionRecord.objects.filter(store=store_id(), name=name)
    (rows.filter(version=version) if version else rows).delete()


def _identity(stored: StoredVersion) -> str:
    made = stored.created_at.isoformat() if stored.created_at else ""
    return hashlib.sha256(f"{stored.source}\n{made}".encode()).hexdigest()
