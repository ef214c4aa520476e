"""Revisions in their long steps, with models that scikit-learn really fitted."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import infer_signature

from deployments.control.step_handlers import Work
from deployments.models import Operation, Revision
from tests.factories import TargetFactory, deploying

PINS = [
    f"{name}=={importlib.metadata.version(name)}"
    for name in ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "cloudpickle")
]
ROWS = pd.DataFrame({"age": [0.1, 0.2, 0.3, 0.9], "bmi": [1.0, 2.0, 3.0, 5.0]})


def save_model(final: Path, estimator: Any) -> None:
    """Fit and save a model as "Copy model" leaves it, readable for the service user."""
    fitted = estimator.fit(ROWS, [1.0, 2.0, 3.0, 4.0])
    mlflow.sklearn.save_model(
        fitted,
        str(final),
        signature=infer_signature(ROWS, fitted.predict(ROWS)),
        input_example=ROWS,
        pip_requirements=PINS,
        serialization_format="cloudpickle",
    )
    for path in (final, *final.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def prepared(
    target: str, model: str, *handlers: Callable[[Work], str]
) -> tuple[Revision, list[str]]:
    """Run steps for a new revision of a copied model; the revision and the log."""
    operation: Operation = deploying(prepared=False)
    operation.service.target = TargetFactory(name=target)
    operation.service.save()
    revision = operation.revision
    revision.model_sha256, revision.environment_hash, revision.runtime = model, "", ""
    revision.save()
    lines: list[str] = []
    step = operation.steps.first()
    for handler in handlers:
        handler(Work(operation, step, lines.append, lambda: False))
    revision.refresh_from_db()
    return revision, lines
