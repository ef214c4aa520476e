"""What every test may use: real engines, found once, and what to do where one is missing.

A test that needs an engine carries its marker (`docker`, `browser`, `postgres`, `redis`). Where
the engine is missing the test is skipped with the reason, or fails when SLIPWAY_TEST_NO_SKIP=1
(set by CI, so that nothing is skipped there unseen).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import ENGINES, RedisServer, missing, redis_start
from tests.flow.api import relay as relay
from tests.flow.api import whole_studio as whole_studio
from tests.scheduling import TogetherScheduling


def pytest_runtest_setup(item: pytest.Item) -> None:
    for engine in ENGINES:
        if item.get_closest_marker(engine) is None:
            continue
        reason = missing(engine)
        if not reason:
            continue
        if os.environ.get("SLIPWAY_TEST_NO_SKIP") == "1":
            pytest.fail(f"{reason} (SLIPWAY_TEST_NO_SKIP=1)", pytrace=False)
        pytest.skip(reason)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    return TogetherScheduling(config, log)


@pytest.fixture
def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis on a unix socket, of this test session alone."""
    server = redis_start(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def base_image() -> str:
    """Name of the local image that container tests build on (scripts/base-image.sh)."""
    return os.environ.get("SLIPWAY_TEST_BASE_IMAGE", "slipway-base:bookworm")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of an empty PostgreSQL database that the tests may fill."""
    return os.environ["SLIPWAY_TEST_POSTGRES_URL"]


@pytest.fixture(scope="session")
def source_root() -> Path:
    """Folder of the project: where manage.py and the Makefile are."""
    return Path(__file__).resolve().parent.parent
