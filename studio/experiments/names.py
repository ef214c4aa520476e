"""Names of an experiment's metrics, parameters and tags, kept for a moment between key strokes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.cache import cache

from studio.experiments.columns import KINDS, Column
from workspaces import tracking_finding
from workspaces.tracking_stores import store_id

KEPT_S = 15
OFFERED = 200  # of a kind, in the column chooser


def names_of(experiment_id: str, kind: str) -> list[str]:
    """Names of the newest runs, sorted. Raises: Unavailable."""
    key = f"names:{store_id()}:{kind}:{experiment_id}".encode().hex()
    kept: list[str] | None = cache.get(key)
    if kept is None:
        kept = tracking_finding.names_logged(experiment_id, kind)
        cache.set(key, kept, KEPT_S)
    return kept


def columns_matching(experiment_id: str, text: str, shown: set[str]) -> list[tuple[str, list[str]]]:
    """Names of columns that contain `text` and are not shown yet, by kind. Raises: Unavailable."""
    low = text.strip().lower()
    found = []
    for kind in KINDS:
        names: Sequence[str] = names_of(experiment_id, kind)
        fitting = [
            name
            for name in names
            if low in name.lower()
            and Column(kind, name).name not in shown
            and not (kind == "tags" and name.startswith("mlflow."))
        ]
        if fitting:
            found.append((kind, fitting[: OFFERED + 1]))
    return found
