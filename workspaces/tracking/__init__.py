"""The one gateway to MLflow: every read and change of what MLflow keeps goes through this package.

Experiments and runs are here by name; `artifacts`, `history`, `models` and the others beside them.
"""

from workspaces.tracking.runs import (
    activity_is_cheap,
    experiment_get,
    experiment_name,
    experiments_activity,
    experiments_search,
    ping,
    run_get,
    runs_recent,
    runs_search,
)
from workspaces.tracking.store.opening import artifact_repository, store_id, stores, warm

__all__ = [
    "activity_is_cheap",
    "artifact_repository",
    "experiment_get",
    "experiment_name",
    "experiments_activity",
    "experiments_search",
    "ping",
    "run_get",
    "runs_recent",
    "runs_search",
    "store_id",
    "stores",
    "warm",
]
