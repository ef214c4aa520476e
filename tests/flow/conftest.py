"""These tests use the one whole studio, through its API."""

from __future__ import annotations

import pytest

from tests.flow.api import Api


@pytest.fixture(scope="session")
def api(whole_studio: Api) -> Api:
    return whole_studio
