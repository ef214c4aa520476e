"""Preparing a revision on this machine: its loader, its environment, what the check found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from django.conf import settings
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from config.paths import DataFolder
from deployments import targets
from deployments.control.step_handlers import prepare_environment
from deployments.drivers.local import LocalDriver
from deployments.models import Revision
from tests.local_engine import CACHE, USER, open_folder
from tests.prepare import prepared, save_model

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = open_folder("loader")
    (made / "models").mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """A data folder whose environments these tests share."""
    made = DataFolder(folder)
    monkeypatch.setattr(settings, "DATA", made)
    monkeypatch.setenv("UV_CACHE_DIR", str(CACHE))
    driver = LocalDriver(made.services, USER)
    monkeypatch.setattr(targets, "_driver", lambda *_: driver)
    return made


def packages(data: DataFolder, revision: Revision) -> set[str]:
    place = data.environments / revision.environment_hash / "lib" / f"python{revision.python}"
    return {path.name for path in (place / "site-packages").iterdir()}


def test_a_ridge_is_loaded_without_mlflow_and_batches(data: DataFolder) -> None:
    save_model(data.models / "ridge", Ridge())
    revision, lines = prepared("local", "ridge", prepare_environment)
    assert (revision.loader, revision.row_wise) == ("fast", True), "\n".join(lines)
    assert "sklearn" in packages(data, revision)
    assert "mlflow" not in packages(data, revision)
    assert not list(data.tmp.glob("check-*"))
    again, lines = prepared("local", "ridge", prepare_environment)
    assert again.row_wise is True
    assert any("checked before" in line for line in lines)


def test_a_pipeline_that_needs_mlflow_gets_it_when_the_revision_is_made(data: DataFolder) -> None:
    shape = FunctionTransformer()
    shape.inverse_func = mlflow.types.utils.clean_tensor_type  # pickled by its name in mlflow
    save_model(data.models / "needs-mlflow", make_pipeline(shape, Ridge()))
    revision, lines = prepared("local", "needs-mlflow", prepare_environment)
    assert revision.loader == "plain", "\n".join(lines)
    assert "mlflow" in revision.loader_reason
    assert "mlflow" in packages(data, revision)
    assert revision.row_wise is not None
    assert any("fast loader cannot serve" in line for line in lines)


def test_the_check_of_a_model_has_no_more_rights_than_the_service(data: DataFolder) -> None:
    if os.geteuid() != 0:
        pytest.skip("started by an ordinary user, services have that user's rights")
    save_model(data.models / "spy", make_pipeline(FunctionTransformer(_whoami), Ridge()))
    _revision, lines = prepared("local", "spy", prepare_environment)
    assert any(line.startswith("spy runs as 65534 with []") for line in lines), lines


def _whoami(frame: Any) -> Any:
    import os

    seen = sorted(key for key in os.environ if key.startswith(("SLIPWAY", "UV_", "DJANGO")))
    print(f"spy runs as {os.getuid()} with {seen}", flush=True)
    return frame


_whoami.__module__ = "__main__"  # pickled by value: the model brings it along
