"""How a revision's model is loaded: decided once, while the revision is made.

The fast loader where `serving.choose` says so; should its check fail and MLflow's not, MLflow's.
After that a revision keeps its loader, and so does every request.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import yaml

from deployments.building import modelcheck
from deployments.models import Revision
from registry.facts import MAX_TEXT, Facts
from serving.choose import choose as choose_loader
from serving.choose import without_mlflow
from workspaces.yaml_guard import yaml_load

# libyaml's where it is compiled in; both make plain values only
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SCRIPT = "An entry script answers the requests."
ONE_BY_ONE = "An entry script is given one request at a time."


class Work(Protocol):
    """What is needed of `step_handlers.Work`."""

    @property
    def revision(self) -> Revision: ...
    @property
    def model_dir(self) -> Path: ...
    @property
    def log(self) -> Callable[[str], None]: ...
    def keep(self, **values: Any) -> None: ...


def choose(work: Work, facts: Facts) -> None:
    """Decide on the loader of a revision that has none yet. A pure matter of its MLmodel file."""
    if work.revision.environment_hash:
        return  # decided when the revision was made
    if work.revision.inference:
        work.log(SCRIPT)
        work.keep(loader="script", loader_reason=SCRIPT, row_wise=False, row_wise_reason=ONE_BY_ONE)
        return
    loader, reason = choose_loader(mlmodel(work.model_dir))
    work.log(reason)
    work.keep(loader=loader, loader_reason=reason[: modelcheck.MAX_REASON])


def requirements(work: Work, facts: Facts) -> list[str]:
    """What the environment of the revision's loader needs."""
    if work.revision.loader == "fast":
        return without_mlflow(facts.requirements, mlmodel(work.model_dir))
    return facts.requirements


def settle(work: Work, check: modelcheck.Run, with_mlflow: Callable[[], None]) -> None:
    """Check the model where it will run, and keep what that means for the revision.

    Args:
        check: runs the runtime's check with a loader.
        with_mlflow: gives the revision an environment that holds MLflow.
    """
    revision = work.revision
    if revision.row_wise_reason:
        return  # known since the revision was made
    found = modelcheck.model_check(revision, revision.loader, work.log, check)
    if revision.loader == "fast" and not found.ok:
        found = _fall_back(work, check, with_mlflow, found)
    if not found.ok:
        work.log(f"The check found: {found.error}")  # Start says more, with the service's own log
    reason = found.row_wise_reason or "The check said nothing of it."
    work.log(f"Batching {'is possible' if found.row_wise else 'stays off'}: {reason}")
    work.keep(row_wise=found.row_wise, row_wise_reason=reason)


def _fall_back(
    work: Work, check: modelcheck.Run, with_mlflow: Callable[[], None], fast: modelcheck.Found
) -> modelcheck.Found:
    work.log(f"The fast loader cannot serve this model: {fast.error}")
    work.log("Trying MLflow's own loader, with MLflow in the environment.")
    before = {
        name: getattr(work.revision, name) for name in ("environment_hash", "image", "loader")
    }
    with_mlflow()
    plain = modelcheck.model_check(work.revision, "plain", work.log, check)
    if not plain.ok:
        work.keep(**before)
        return fast
    reason = f"MLflow loads this model, as the fast loader could not: {fast.error}"
    work.keep(loader="plain", loader_reason=reason[: modelcheck.MAX_REASON])
    return plain


def mlmodel(folder: Path) -> dict[str, Any]:
    """The MLmodel document of a model folder; empty when it cannot be read."""
    try:
        with (folder / "MLmodel").open("rb") as stream:
            found = yaml_load(stream.read(MAX_TEXT), _Loader)
    except (OSError, yaml.YAMLError, RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
