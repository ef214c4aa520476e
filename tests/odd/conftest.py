"""Fixtures: a person who is signed in, and a server that answers as badly as a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.odd.bad_server import BadServer
from tests.tracking.mlflow_store import make_template


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def person(client: Client, db: None) -> Client:
    """A browser of somebody who is signed in; a bug is a 500 there, not an exception."""
    client.force_login(get_user_model().objects.create_user("ada", password="x"))
    client.raise_request_exception = False
    return client


@pytest.fixture
def bad_server() -> Iterator[BadServer]:
    import mlflow.store.tracking.rest_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    with BadServer() as server:
        yield server
