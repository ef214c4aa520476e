"""Which model versions came from which runs."""

from __future__ import annotations

from collections.abc import Iterable

from workspaces.tracking.models.values import StoredVersion
from workspaces.tracking.run_versions import versions_aliased, versions_of_runs


def run_versions(run_ids: Iterable[str]) -> dict[str, tuple[StoredVersion, ...]]:
    """Per run the versions registered from it, newest first, with aliases; others are left out.

    Two questions to MLflow, however many runs.

    Raises:
        Unavailable.
    """
    return versions_of_runs(run_ids)


def versions_with_alias(alias: str, experiment_id: str) -> list[StoredVersion]:
    """See `workspaces.tracking.run_versions.versions_aliased`. Raises: Unavailable."""
    return versions_aliased(alias, experiment_id)
