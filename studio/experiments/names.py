"""Names of metrics, parameters and tags, as the filter and the column chooser offer them."""

from __future__ import annotations

from studio.experiments.columns import KINDS, Column
from workspaces.tracking import counts as tracking_counts

OFFERED = 200  # of a kind, in the column chooser


def names_of(experiment_id: str, kind: str) -> tuple[str, ...]:
    """Names in use, sorted; remembered between key strokes. Raises: Unavailable."""
    names: tuple[str, ...] = getattr(tracking_counts.keys_in_use([experiment_id]), kind)
    return names


def columns_matching(experiment_id: str, text: str, shown: set[str]) -> list[tuple[str, list[str]]]:
    """Names of columns that contain `text` and are not shown yet, by kind. Raises: Unavailable."""
    low = text.strip().lower()
    found = []
    for kind in KINDS:
        fitting = [
            name
            for name in names_of(experiment_id, kind)
            if low in name.lower()
            and Column(kind, name).name not in shown
            and not (kind == "tags" and name.startswith("mlflow."))
        ]
        if fitting:
            found.append((kind, fitting[: OFFERED + 1]))
    return found
