"""A model, a fake target and people, as the services have them; and a script that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from registry.scripts.folders import SourceFile, source_create
from tests.deploy_pages.conftest import ada as ada
from tests.deploy_pages.conftest import service as service
from tests.services.conftest import Create
from tests.services.conftest import create as create
from tests.services.conftest import empty_store as empty_store
from tests.services.conftest import fake as fake
from tests.services.conftest import model as model
from tests.services.conftest import turn as turn

ECHO = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
Keep = Callable[..., str]


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada", password="a-long-password")


@pytest.fixture
def keep(user: User) -> Keep:
    """Keep texts as a source folder; gives its sha256."""

    def make(text: str = ECHO, **files: str) -> str:
        texts = {
            "score.py": text,
            **{name.replace("__", "/"): item for name, item in files.items()},
        }
        given = [SourceFile.text(path, content) for path, content in texts.items()]
        return source_create(files=given, user=user).sha256

    return make


@pytest.fixture
def scripted(create: Create, keep: Keep) -> Callable[..., Any]:
    """Ask for a service with an entry script; arguments change its inference configuration."""

    def ask(name: str = "diabetes", text: str = ECHO, **changes: Any) -> Any:
        inference = {"entryScript": "score.py", "source": keep(text), **changes}
        return create(name, inference=inference)

    return ask
