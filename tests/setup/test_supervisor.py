"""The supervisor's loop with real processes: small Python programs in the place of the studio's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.paths import DataFolder
from studio.supervisor.child import ChildSpec
from studio.supervisor.folder import identity, is_alive
from studio.supervisor.problem import StartProblem
from studio.supervisor.records import MARK, Records
from studio.supervisor.supervisor import Supervisor

FOREVER = "import time\nwhile True: time.sleep(0.05)"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{FOREVER}"


def eventually(what: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Scene:
    """A supervisor of made-up processes in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = DataFolder(folder)
        self.data.logs.mkdir(parents=True)
        self.said: list[str] = []
        self.supervisor = Supervisor(self.data, {}, self.said.append)

    def add(self, name: str, code: str, **options: object) -> None:
        from studio.supervisor.child import Child

        environment = {**os.environ, MARK: f"{self.data.node_id}:{name}"}
        command = [sys.executable, "-c", code]
        spec = ChildSpec(name, command, environment, self.data.root, **options)  # type: ignore[arg-type]
        self.supervisor.children[name] = Child(spec, self.data.logs)

    def pid(self, name: str) -> int:
        process = self.supervisor.children[name].process
        assert process is not None
        return process.pid

    def tick_until(self, what: Callable[[], bool]) -> bool:
        def step() -> bool:
            self.supervisor.tick()
            return what()

        return eventually(step)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path / "data")
    yield found
    for child in found.supervisor.children.values():
        child.kill()


def test_a_killed_process_is_started_again_and_the_terminal_is_told(scene: Scene) -> None:
    scene.add("web", FOREVER)
    scene.supervisor.start("web")
    first = scene.pid("web")
    os.kill(first, signal.SIGKILL)

    def runs_again() -> bool:
        process = scene.supervisor.children["web"].process
        return process is not None and process.pid != first

    assert scene.tick_until(runs_again)
    assert scene.said == ["web was ended by signal 9. Starting it again in 0.5 s."]
    assert Records(scene.supervisor.records.path).children["web"]["pid"] == scene.pid("web")


def test_a_process_that_crashes_again_waits_longer_each_time(scene: Scene) -> None:
    scene.add("web", "import sys; sys.exit('no such thing')")
    scene.supervisor.start("web")
    assert scene.tick_until(lambda: len(scene.said) == 3)
    assert [line.rsplit("in ", 1)[1] for line in scene.said] == ["0.5 s.", "1 s.", "2 s."]
    assert "no such thing" in scene.said[0]


def test_what_a_killed_process_forked_ends_before_it_starts_again(scene: Scene) -> None:
    scene.add("control", f"import os\nos.fork()\n{FOREVER}")
    scene.supervisor.start("control")
    master = scene.pid("control")
    assert eventually(lambda: len(psutil.Process(master).children()) == 1)
    [pool] = psutil.Process(master).children()
    os.kill(master, signal.SIGKILL)
    assert scene.tick_until(lambda: bool(scene.said))
    assert eventually(lambda: not pool.is_running() or pool.status() == psutil.STATUS_ZOMBIE)


def test_processes_stop_in_order_and_a_stubborn_one_is_killed(scene: Scene) -> None:
    record = "import signal, sys, time\n" + "\n".join(
        [
            "def end(*_):",
            "    open('order', 'a').write(NAME + '\\n'); sys.exit(0)",
            "signal.signal(signal.SIGTERM, end)",
            "print('listening', flush=True)",
            "while True: time.sleep(0.05)",
        ]
    )
    for name in ("redis", "web", "gateway", "beat"):
        scene.add(name, f"NAME = {name!r}\n{record}")
    scene.add("tracking", f"{STUBBORN}", patience=0.5)
    scene.supervisor.start("redis", "tracking", "web", "gateway", "beat")
    children = scene.supervisor.children
    polite = [child for name, child in children.items() if name != "tracking"]
    assert eventually(lambda: all(child.last_line() == "listening" for child in polite))
    scene.supervisor.asked = ["stop"]
    scene.supervisor.stop()
    order = (scene.data.root / "order").read_text().split()
    assert order == ["beat", "gateway", "web", "redis"]
    assert not any(child.is_running() for child in children.values())
    assert Records(scene.supervisor.records.path).children == {}


def test_a_second_signal_ends_a_stubborn_process_at_once(scene: Scene) -> None:
    scene.add("web", STUBBORN, patience=60)
    scene.supervisor.start("web")
    scene.supervisor.asked = ["stop", "stop"]
    started = time.monotonic()
    scene.supervisor.stop()
    assert time.monotonic() - started < 5
    assert not scene.supervisor.children["web"].is_running()


def test_keep_serving_leaves_the_gateway_and_its_record(scene: Scene) -> None:
    scene.add("gateway", FOREVER)
    scene.add("web", FOREVER)
    scene.supervisor.start("gateway", "web")
    scene.supervisor.asked = ["keep-serving"]
    scene.supervisor.stop()
    assert scene.supervisor.children["gateway"].is_running()
    assert list(Records(scene.supervisor.records.path).children) == ["gateway"]


def test_a_process_that_ends_while_starting_is_a_problem_with_its_last_line(scene: Scene) -> None:
    scene.add("web", "import sys; sys.exit('the port is gone')", is_ready=lambda: False)
    scene.supervisor.start("web")
    with pytest.raises(StartProblem, match="web ended with exit code 1: the port is gone"):
        scene.supervisor.wait_ready("web")


def test_leftovers_of_a_killed_supervisor_are_ended_and_strangers_are_not(scene: Scene) -> None:
    mark = f"{scene.data.node_id}:web"
    ours, theirs = (
        subprocess.Popen(
            [sys.executable, "-c", FOREVER],
            env={**os.environ, **environment},
            start_new_session=True,
        )
        for environment in ({MARK: mark}, {})
    )
    try:
        records = Records(scene.data.run / "processes.json")
        records.put("web", identity(ours.pid))
        # a number that was used again: same pid, another creation time
        records.put("control", {**identity(theirs.pid), "create_time": 1.0})
        assert records.end_leftovers(scene.data.node_id) == ["web"]
        ours.wait(timeout=5)  # raises when it lives on
        assert theirs.poll() is None
        assert not is_alive({"pid": theirs.pid, "create_time": 1.0})
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()
