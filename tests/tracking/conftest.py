"""Fixtures: a real MLflow store in a folder of the test."""

from pathlib import Path

import pytest

from tests.tracking.mlflow_store import Store, make_template, open_store


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def store(mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty MLflow store that the studio reads."""
    return open_store(mlflow_template, tmp_path, monkeypatch)
