"""The first seconds of a process: MLflow is loaded once, and who comes meanwhile is told so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.tracking.mlflow_store import Store
from workspaces import tracking
from workspaces.errors import Unavailable
from workspaces.tracking.store import opening as tracking_stores

ROOT = Path(__file__).resolve().parents[2]
EVERYBODY_AT_ONCE = """
import asyncio, sys, threading
from config.asgi import application
from django.conf import settings
from workspaces import tracking
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.store import opening as tracking_stores
from workspaces.errors import Problem

tracking_stores.LOAD_WAIT_S = 100.0
place = settings.SLIPWAY.artifact_root
calls = [
    lambda: tracking.experiments_search(text="a"),
    lambda: tracking.runs_search(experiment_ids=["0"]),
    lambda: tracking.run_get("0" * 32),
    lambda: tracking_stores.artifact_repository(place),
    lambda: tracking_models.models_search(search="a"),
    lambda: tracking_models.version_create(
        name="a", source=place, run_id="", model_id="", description="", tags={"a": "b"}
    ),
    lambda: tracking_models.model_tags_set("a", add={"a": "b"}, remove=set()),
]
ended = []

def call(number):
    try:
        calls[number]()
        ended.append(number)
    except Problem as problem:
        assert problem.code != "unavailable", problem
        ended.append(number)

async def start():
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    async def receive():
        return next(messages)
    async def send(message):
        assert message["type"].endswith(".complete"), message
    await application({"type": "lifespan"}, receive, send)

assert "mlflow" not in sys.modules
asyncio.run(start())
threads = [threading.Thread(target=call, args=(n,)) for n in range(len(calls))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert sorted(ended) == list(range(len(calls))), ended
print("all ended well")
"""


def test_threads_that_come_first_at_the_same_moment_all_get_their_answer(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPWAY_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-c", EVERYBODY_AT_ONCE],
        capture_output=True,
        text=True,
        timeout=110,
        env={**kept, "SLIPWAY_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=False,
    )
    assert done.stdout == "all ended well\n", done.stderr


@pytest.fixture
def loading(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another thread is at it, and takes longer than a page may wait."""
    monkeypatch.setattr(tracking_stores, "LOAD_WAIT_S", 0.05)
    tracking_stores._lock.acquire()
    try:
        yield
    finally:
        if tracking_stores._lock.locked():
            tracking_stores._lock.release()


@pytest.mark.parametrize("path", ["/experiments/", "/runs/" + "0" * 32 + "/", "/api/v1/models"])
def test_meanwhile_pages_and_api_say_so_and_later_answer(
    client: Client, db: None, loading: None, path: str
) -> None:
    client.force_login(User.objects.create_user("ada"))
    answer = client.get(path)
    assert answer.status_code < 500 or answer.status_code == 503
    assert "still being loaded" in answer.content.decode()
    tracking_stores._lock.release()
    assert "still being loaded" not in client.get(path).content.decode()


def _fails() -> None:
    raise OSError("no disk")


def test_a_failed_load_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tracking_stores, "_open_database", _fails)
        with pytest.raises(Unavailable):
            tracking.experiments_search()
    assert tracking.experiments_search().items
