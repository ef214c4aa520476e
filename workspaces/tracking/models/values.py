"""Registered models, versions and logged models as frozen values, made from MLflow's entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workspaces.tracking.values import moment


@dataclass(frozen=True)
class StoredModel:
    """A registered model as MLflow holds it. `aliases` maps alias to version."""

    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, str]
    latest_version: str  # "" when the model has none
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True)
class StoredVersion:
    """One version of a registered model. `status` is MLflow's word, normally READY."""

    name: str
    version: str
    description: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    run_id: str
    source: str
    status: str
    status_message: str
    user: str
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True)
class LoggedModel:
    """A model that a run logged (MLflow 3): not an artifact of the run, it has an id of its own."""

    model_id: str
    name: str
    run_id: str
    ready: bool
    created_at: datetime | None
    location: str


def model_value(item: Any) -> StoredModel:
    latest = [int(version.version) for version in item.latest_versions or []]
    return StoredModel(
        name=item.name,
        description=item.description or "",
        tags=dict(item.tags),
        aliases={alias: str(version) for alias, version in (item.aliases or {}).items()},
        latest_version=str(max(latest)) if latest else "",
        created_at=moment(item.creation_timestamp),
        updated_at=moment(item.last_updated_timestamp or item.creation_timestamp),
    )


def version_value(item: Any, aliases: Mapping[str, str] | None = None) -> StoredVersion:
    number = str(item.version)
    own = item.aliases or [a for a, version in (aliases or {}).items() if version == number]
    return StoredVersion(
        name=item.name,
        version=number,
        description=item.description or "",
        tags=dict(item.tags),
        aliases=tuple(sorted(own)),
        run_id=item.run_id or "",
        source=item.source or "",
        status=str(item.status),
        status_message=item.status_message or "",
        user=item.user_id or "",
        created_at=moment(item.creation_timestamp),
        updated_at=moment(item.last_updated_timestamp or item.creation_timestamp),
    )


def logged_value(item: Any) -> LoggedModel:
    return LoggedModel(
        model_id=item.model_id,
        name=item.name or item.model_id,
        run_id=item.source_run_id or "",
        ready=str(getattr(item.status, "value", item.status)) == "READY",
        created_at=moment(item.creation_timestamp),
        location=item.artifact_location,
    )
