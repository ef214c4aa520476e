"""Preparing a revision on this machine: its loader, its environment, what the check found."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from django.conf import settings
from mlflow.models import infer_signature
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from config.paths import DataFolder
from deployments import targets
from deployments.drivers.local import LocalDriver
from deployments.models import Operation, Revision
from deployments.step_handlers import Work, prepare_environment
from tests.factories import TargetFactory, deploying
from tests.local_engine import CACHE, USER, open_folder

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
PINS = [
    f"{name}=={importlib.metadata.version(name)}"
    for name in ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "cloudpickle")
]
ROWS = pd.DataFrame({"age": [0.1, 0.2, 0.3, 0.9], "bmi": [1.0, 2.0, 3.0, 5.0]})


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = open_folder("loader")
    (made / "models").mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    made = DataFolder(folder)
    monkeypatch.setattr(settings, "DATA", made)
    monkeypatch.setenv("UV_CACHE_DIR", str(CACHE))
    driver = LocalDriver(made.services, USER)
    monkeypatch.setattr(targets, "_driver", lambda *_: driver)
    TargetFactory(name="local")
    return made


def model(data: DataFolder, name: str, estimator: Any) -> str:
    """Save a model as "Copy model" leaves it; its folder's name stands for its sha-256."""
    final = data.models / name
    if not final.exists():
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
    return name


def prepared(name: str) -> tuple[Revision, list[str]]:
    """Run the step for a new revision; the revision and the log."""
    operation: Operation = deploying(prepared=False)
    operation.service.target = TargetFactory(name="local")
    operation.service.save()
    revision = operation.revision
    revision.model_sha256, revision.environment_hash, revision.runtime = name, "", ""
    revision.save()
    lines: list[str] = []
    step = operation.steps.get(name="Prepare environment")
    prepare_environment(Work(operation, step, revision, lines.append, lambda: False))
    revision.refresh_from_db()
    return revision, lines


def packages(data: DataFolder, revision: Revision) -> set[str]:
    place = data.environments / revision.environment_hash / "lib" / f"python{revision.python}"
    return {path.name for path in (place / "site-packages").iterdir()}


def test_a_ridge_is_loaded_without_mlflow_and_batches(data: DataFolder) -> None:
    revision, lines = prepared(model(data, "ridge", Ridge()))
    assert (revision.loader, revision.row_wise) == ("fast", True), "\n".join(lines)
    assert "sklearn" in packages(data, revision)
    assert "mlflow" not in packages(data, revision)
    assert not list(data.tmp.glob("check-*"))
    again, lines = prepared("ridge")
    assert again.row_wise is True
    assert any("checked before" in line for line in lines)


def test_a_pipeline_that_needs_mlflow_gets_it_when_the_revision_is_made(data: DataFolder) -> None:
    shape = FunctionTransformer()
    shape.inverse_func = mlflow.types.utils.clean_tensor_type  # pickled by its name in mlflow
    revision, lines = prepared(model(data, "needs-mlflow", make_pipeline(shape, Ridge())))
    assert revision.loader == "plain", "\n".join(lines)
    assert "mlflow" in revision.loader_reason
    assert "mlflow" in packages(data, revision)
    assert revision.row_wise is not None
    assert any("fast loader cannot serve" in line for line in lines)


def test_the_check_of_a_model_has_no_more_rights_than_the_service(data: DataFolder) -> None:
    if os.geteuid() != 0:
        pytest.skip("started by an ordinary user, services have that user's rights")
    name = model(data, "spy", make_pipeline(FunctionTransformer(_whoami), Ridge()))
    _revision, lines = prepared(name)
    assert any(line.startswith("spy runs as 65534 with []") for line in lines), lines


def _whoami(frame: Any) -> Any:
    import os

    seen = sorted(key for key in os.environ if key.startswith(("SLIPWAY", "UV_", "DJANGO")))
    print(f"spy runs as {os.getuid()} with {seen}", flush=True)
    return frame


_whoami.__module__ = "__main__"  # pickled by value: the model brings it along
