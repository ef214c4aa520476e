"""Fixtures of tests of pages: a real MLflow store, and a person who is signed in."""

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.tracking.mlflow_store import Store, make_template, open_store


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def store(mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty MLflow store that the studio reads."""
    return open_store(mlflow_template, tmp_path, monkeypatch)


@pytest.fixture
def person(client: Client, db: None) -> Client:
    """A browser of somebody who is signed in."""
    client.force_login(get_user_model().objects.create_user("ada", password="x"))
    return client
