"""Fixtures: a person who is signed in, and a server that answers as badly as a test wants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.mlflow_pages import mlflow_template as mlflow_template
from tests.odd.bad_server import BadServer


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
