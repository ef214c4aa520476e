"""`manage.py up` and `down`, with every process real."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator

import pytest

from tests.setup.studio_process import HELPERS, Studio, eventually, only_sentence, password

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Studio, str]]:
    """One studio for the tests that leave it running, and what it printed."""
    studio = Studio.make()
    try:
        yield studio, studio.up()
    finally:
        studio.close()


@pytest.fixture
def running(started: tuple[Studio, str]) -> Studio:
    """That studio, up again where a test before this one ended it."""
    studio = started[0]
    if not studio.alive():
        studio.up()
    return studio


@pytest.fixture
def studio() -> Iterator[Studio]:
    """A studio that has not been started."""
    made = Studio.make()
    try:
        yield made
    finally:
        made.close()


def test_the_first_start_says_url_user_and_password(started: tuple[Studio, str]) -> None:
    studio, output = started
    assert f"Slipway is ready: {studio.url}" in output
    assert "admin" in output
    assert len(password(output)) >= 12
    assert password(output) not in studio.logs()


def test_every_process_runs_and_the_pages_and_the_gateway_answer(running: Studio) -> None:
    assert eventually(lambda: set(running.alive()) == HELPERS)
    assert eventually(lambda: running.get("/login/")[0] == 200), running.logs()
    path, port = "/api/v1/service/nobody/score", running.gateway_port
    assert eventually(lambda: running.get(path, port=port)[0] == 404), running.logs()


def test_a_second_up_says_the_url_and_succeeds(running: Studio) -> None:
    before = running.supervisor().pid
    done = running.manage("up")
    assert (done.returncode, done.stdout.strip()) == (0, f"Slipway already runs: {running.url}")
    assert running.supervisor().pid == before


@pytest.mark.parametrize("variable", ["SLIPWAY_PORT", "SLIPWAY_GATEWAY_PORT"])
def test_a_taken_port_is_one_sentence_and_nothing_is_left(
    running: Studio, studio: Studio, variable: str
) -> None:
    done = studio.manage("up", environment={variable: str(running.port)})
    sentence = only_sentence(done)
    assert f"Port {running.port} on 127.0.0.1 is taken" in sentence
    assert variable in sentence
    assert studio.alive() == {}


@pytest.mark.parametrize(
    "name",
    ["web", "redis", *(pytest.param(x, marks=pytest.mark.soak) for x in ("gateway", "beat"))],
)
def test_a_process_that_is_killed_comes_back(running: Studio, name: str) -> None:
    before = running.pid(name)
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: running.pid(name) != before), running.logs()
    assert eventually(lambda: running.get("/login/")[0] == 200)
    assert eventually(lambda: set(running.alive()) == HELPERS)


def test_what_services_must_not_read_is_private(running: Studio) -> None:
    data = running.data
    secret = [data.secret_key, data.database, data.tracking_database, data.run, data.redis]
    for path in [*secret, data.artifacts, data.operations]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    if os.geteuid() == 0:
        for path in (
            data.root,
            data.models,
            data.sources,
            data.environments,
            data.runtimes,
            data.services,
        ):
            assert stat.S_IMODE(path.stat().st_mode) == 0o711, path


@pytest.mark.soak
def test_after_a_kill_of_the_supervisor_up_starts_each_process_once_and_ctrl_c_ends_all(
    running: Studio,
) -> None:
    studio = running
    survivors = {pid for pids in studio.alive().values() for pid in pids}
    supervisor = studio.supervisor()
    supervisor.kill()
    supervisor.wait(timeout=10)
    assert set(studio.alive()) == HELPERS, "they are sessions of their own and live on"
    output = studio.up()
    assert "Ended what an earlier start left running:" in output
    assert "as set before" in output
    alive = studio.alive()
    assert set(alive) == HELPERS
    assert survivors.isdisjoint(pid for pids in alive.values() for pid in pids)
    supervisor = studio.supervisor()
    own = {child.pid for child in supervisor.children()}  # these may start programs themselves
    for name in ("web", "redis", "beat"):
        assert len(own & set(alive[name])) == 1
    supervisor.send_signal(signal.SIGINT)
    supervisor.wait(timeout=60)
    assert studio.alive() == {}


def test_down_keep_serving_leaves_the_gateway_and_down_ends_it(running: Studio) -> None:
    studio = running
    gateway = studio.pid("gateway")
    assert studio.manage("down", "--keep-serving").returncode == 0
    assert studio.alive() == {"gateway": [gateway]}
    assert studio.get("/api/v1/service/nobody/score", port=studio.gateway_port)[0] == 404
    assert studio.manage("down").returncode == 0
    assert studio.alive() == {}
    assert "Nothing runs" in studio.manage("down").stdout
