"""kill -9 in the middle of a deploy: afterwards the service is Healthy, once; nothing is lost."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

import psutil
import pytest

from tests.flow.api import Api
from tests.flow.processes import masters
from tests.setup.studio_process import eventually

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def warm(whole_studio: Api) -> Iterator[str]:
    """A service that is Healthy before anything is killed; its environment is there for others."""
    whole_studio.deploy("warm-up")
    whole_studio.healthy("warm-up")
    yield "warm-up"
    whole_studio.gone("warm-up")


def survived(api: Api, name: str) -> None:
    """Healthy, exactly one process, its lock held by it alone, the operation's log complete."""
    row = api.healthy(name)
    services = api.studio.data.services
    assert eventually(lambda: len(masters(services, name)) == 1), masters(services, name)
    operation = api.get(f"/operations/{row['operation']}")
    assert operation["status"] == "Succeeded", operation
    text = api.get(f"/operations/{operation['id']}/log?offset=0")["text"]
    for step in operation["steps"]:
        assert step["state"] == "succeeded", step
        assert f"== {step['name']} ==" in text
    for lock in (services / name).glob("*/*/lock"):
        with lock.open("a") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for lock in api.studio.data.environments.glob("locks/*.lock"):
        with lock.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not list(api.studio.data.tmp.glob("environment-*"))


def kill_tree(process: psutil.Process) -> None:
    """The process and its pool, as the kernel's own killer or a person would."""
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.kill()


@pytest.mark.soak  # they die together below
@pytest.mark.parametrize("victim", ["control", "web", "redis", "beat", "gateway", "tracking"])
def test_a_deploy_survives_the_death_of(api: Api, warm: str, victim: str) -> None:
    name = f"kill-{victim}"
    api.deploy(name, "slow")
    api.step(name, "Health check")
    kill_tree(psutil.Process(api.studio.pid(victim)))
    survived(api, name)
    api.gone(name)


@pytest.mark.soak
def test_a_deploy_survives_the_death_of_the_worker_that_builds(api: Api) -> None:
    api.deploy("kill-steps", "other-environment:1.0.0")
    api.step("kill-steps", "Prepare environment")
    kill_tree(psutil.Process(api.studio.pid("steps")))
    survived(api, "kill-steps")
    api.gone("kill-steps")


def test_a_killed_replica_comes_back_once(api: Api, warm: str) -> None:
    """Before it was ready a killed process is a failed deploy; afterwards it is brought back."""
    services = api.studio.data.services
    [master] = masters(services, warm)
    kill_tree(master)
    assert eventually(
        lambda: [other.pid for other in masters(services, warm)] not in ([], [master.pid])
    )
    survived(api, warm)


@pytest.mark.soak
def test_a_replica_killed_while_it_starts_is_started_again(api: Api) -> None:
    api.deploy("kill-replica", "slow")
    api.step("kill-replica", "Health check")
    services = api.studio.data.services
    assert eventually(lambda: len(masters(services, "kill-replica")) == 1)
    kill_tree(masters(services, "kill-replica")[0])
    survived(api, "kill-replica")
    api.gone("kill-replica")


def test_a_deploy_survives_the_death_of_the_whole_studio(api: Api, warm: str) -> None:
    api.deploy("kill-all", "slow")
    api.step("kill-all", "Health check")
    for name in ("supervisor", "control", "steps", "web", "redis", "beat", "gateway", "tracking"):
        victim = (
            api.studio.supervisor()
            if name == "supervisor"
            else psutil.Process(api.studio.pid(name))
        )
        kill_tree(victim)
    assert api.studio.get("/login/") == (0, "")
    api.studio.up()
    survived(api, "kill-all")
    api.gone("kill-all")
    survived(api, warm)
