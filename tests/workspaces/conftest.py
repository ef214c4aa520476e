"""People for the pages and services of workspaces."""

from typing import Any

import pytest


@pytest.fixture
def ada(db: None, django_user_model: Any) -> Any:
    """A user without special rights."""
    return django_user_model.objects.create_user("ada", password="a-long-password-1")


@pytest.fixture
def admin(db: None, django_user_model: Any) -> Any:
    """An administrator."""
    return django_user_model.objects.create_superuser("root", password="a-long-password-2")
