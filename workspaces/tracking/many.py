"""Many runs at once, in a few queries.

The same gateway as `workspaces.tracking`, for pages that put runs side by side. A number of
queries that does not grow with the runs on a local store; over HTTP one search per experiment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from workspaces.errors import NotFound
from workspaces.tracking import run_get
from workspaces.tracking.sql.rows import runs_of
from workspaces.tracking.store.database import reading
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import EVERYTHING, Run, run_value

RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
MOST_EXPERIMENTS = 20  # asked over HTTP for runs of which only the id is known


def runs_read(run_ids: Iterable[str]) -> list[Run]:
    """The runs of these ids in the order given, each once; deleted ones as well, unknown ones not.

    Datasets and logged models are not read.

    Raises:
        Unavailable.
    """
    wanted = [run_id for run_id in dict.fromkeys(run_ids) if RUN_ID.fullmatch(run_id)]
    if not wanted:
        return []
    if not settings.SLIPWAY.tracking_is_remote:
        with reading() as session:
            return list(runs_of(session, wanted, EVERYTHING, links=False))
    store, _registry = stores()
    with mlflow_errors():
        found = _over_http(store, wanted)
    return [found[run_id] for run_id in wanted if run_id in found]


def _over_http(store: Any, wanted: Sequence[str]) -> dict[str, Run]:
    """A search needs the experiment: that of the first run that is missing, until none is."""
    from mlflow.entities import ViewType

    found: dict[str, Run] = {}
    missing = list(wanted)
    for _attempt in range(MOST_EXPERIMENTS):
        if not missing:
            break
        try:
            first = run_get(missing[0])
        except NotFound:
            missing.pop(0)
            continue
        listed = ", ".join(f"'{run_id}'" for run_id in missing)
        page = store.search_runs(
            [first.experiment_id],
            f"attributes.run_id IN ({listed})",
            ViewType.ALL,
            len(missing),
            None,
            None,
        )
        found |= {row.info.run_id: run_value(row) for row in page} | {first.id: first}
        missing = [run_id for run_id in missing if run_id not in found]
    return found
