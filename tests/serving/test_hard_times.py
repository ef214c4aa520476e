"""Full disks and exhausted machines: a replica goes on, and catches up when they are over."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import auth, contract
from serving.master import Master
from serving.record import Recorder
from serving.routes import RouteTable
from serving.service import Service
from tests.serving.replica import Replica, wait_until

Replicas = Callable[..., Replica]


@pytest.fixture
def master(tmp_path: Path, scripted_model: Path) -> Iterator[Master]:
    """A master in this process, which does what its methods are asked for and no more."""
    config: Any = Replica(tmp_path / "replica", scripted_model).config
    folder = tmp_path / "replica"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Master(folder, config, Recorder(folder, config), listener)
        yield made
        for worker in made.workers.values():
            worker.kill()
            worker.process.wait(10)
            worker.close()


def test_a_record_that_cannot_be_written_ends_nobody(
    replicas: Replicas, scripted_model: Path
) -> None:
    service = replicas(scripted_model).started()
    url = service.url
    record = service.folder / contract.RECORD_FILE
    while not record.is_dir():  # the master may have written once more
        record.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):
            record.mkdir()
    (before,) = service.worker_pids()
    os.kill(before, signal.SIGKILL)

    wait_until(lambda: "runtime.json cannot be written" in service.log(), "it says so", 10)
    wait_until(lambda: service.log().count(" is ready after ") == 2, "the worker is back")
    assert service.log().count("runtime.json cannot be written") == 1
    record.rmdir()
    wait_until(lambda: service.record().get("restarts") == 1, "the record catches up", 5)
    assert service.url == url


def test_a_worker_that_cannot_be_started_is_tried_again(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = time.monotonic()

    master._start_due()

    assert master.workers == {}
    assert before < master.due[0] < before + 1
    assert "could not be started" in master.recorder.record["message"]
    first = master.backoff[0]
    master.due[0] = 0.0
    master._start_due()
    assert master.backoff[0] == 2 * first
    monkeypatch.undo()
    master.due[0] = 0.0
    master._start_due()
    assert (list(master.workers), master.due) == ([0], {})


async def test_what_can_be_written_at_the_end_is(
    tmp_path: Path, scripted_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config: Any = Replica(tmp_path / "replica", scripted_model).config
    service = Service(tmp_path / "replica", config, 0, pytest.fail)
    assert service.access_log is not None
    service.metrics.path.mkdir()
    service.metrics.count("client", 200, 0.1)
    service.access_log.note("its-id", "/score", 200, 0.1, "client")

    service.close()

    assert "its-id" in "".join(capfd.readouterr())


@pytest.fixture
def no_descriptors() -> Callable[[], Any]:
    """A block in which this process can open no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return block


def test_keys_that_cannot_be_read_for_a_moment_are_read_later(
    tmp_path: Path, no_descriptors: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MISSING_SECONDS", 0.1)
    replica = Replica(tmp_path / "replica", tmp_path)
    keys = auth.Keys(replica.folder)
    fields = {b"authorization": b"Bearer the-primary-key"}
    replica.write_keys(2, primary="the-primary-key")

    with no_descriptors():
        assert not keys.refresh()
        assert (keys.version, keys.caller(fields)) == (1, "client")
        time.sleep(0.15)
        assert keys.refresh()
        assert keys.version == 0
    assert keys.refresh()
    assert (keys.version, keys.caller(fields)) == (2, "client")


def test_routes_that_cannot_be_read_for_a_moment_are_read_later(
    tmp_path: Path, no_descriptors: Callable[[], Any]
) -> None:
    table = RouteTable(tmp_path)
    table.path.write_text(json.dumps({"version": 3, "services": {}}))

    with no_descriptors():
        assert not table.load()
    assert table.load()
    assert table.version == 3
