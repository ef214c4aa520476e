"""One case per driver for the contract suite: the driver, and how to make things happen on it.

A new driver gets a subclass of Case with a `plays` that starts an instance which does as told:

    serve            answers HTTP and reports the version of its keys
    exit:CODE:WORDS  says WORDS and ends with CODE
    eat              takes more memory than it was given
    stubborn         serves, and takes no notice of being asked to end
    lines:N          writes N lines, then serves
    unstartable      cannot even be started
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployments.drivers.base import Driver, InstanceSpec, Observation, Phase
from deployments.drivers.docker import DockerDriver
from deployments.drivers.fake import FakeDriver, Script
from deployments.drivers.local import LocalDriver
from serving.contract import CONFIG_FILE, RECORD_FILE, AuthDocument, ReplicaConfig
from serving.files import read_json
from tests.local_engine import USER, LocalEngine

_numbers = itertools.count(1)


def auth(version: int = 1) -> AuthDocument:
    return {
        "version": version,
        "enabled": True,
        "keys": [{"name": "primary", "sha256": f"{version:x}" * 64}],
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true answer; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = true()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s; last answer: {answer!r}"
        time.sleep(0.05)


class Case:
    """What the contract suite needs of a driver; see the module."""

    driver: Driver
    memory_mb = 64  # what an instance is given

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def spec(self, play: str = "serve", **changes: Any) -> InstanceSpec:
        """Return the spec of a new instance; with `like` of the same instance, changed."""
        like: InstanceSpec | None = changes.pop("like", None)
        memory_mb = changes.pop("memory_mb", self.memory_mb)
        version = changes.pop("auth_version", 1)
        name = like.name if like else f"echo{next(_numbers)}-1-0"
        port = like.port if like else free_port()
        self.names.append(name)
        config: ReplicaConfig = {
            "service": name.split("-")[0],
            "revision": 1,
            "replica": 0,
            "digest": changes.get("digest", "d1"),
            "host": "127.0.0.1",
            "port": port,
            "model_dir": "",
            "model_name": "echo",
            "model_version": "1",
            "workers": 1,
            "cpu": 0.5,
            "memory_mb": memory_mb,
            "max_concurrent": 8,
            "max_queue_wait_ms": 500,
            "scoring_timeout_ms": 5000,
            "max_body_bytes": 1_000_000,
            "verbose_errors": False,
            "loader": "plain",
            "environment": {"PLAY": play},
        }
        facts: dict[str, Any] = {
            "name": name,
            "service": config["service"],
            "revision": 1,
            "replica": 0,
            "digest": "d1",
            "port": port,
            "config": config,
            "auth": auth(version),
            "folder": self.place(name),
            "model_dir": self.folder,
        }
        return self.plays(InstanceSpec(**{**facts, **changes}), play)

    def plays(self, spec: InstanceSpec, play: str) -> InstanceSpec:
        """Return the spec whose instance does `play`."""
        raise NotImplementedError

    def place(self, name: str) -> Path:
        """Return the folder of an instance."""
        return self.folder / name

    def identity(self, name: str) -> Any:
        """Return what changes when the object is made anew."""
        raise NotImplementedError

    def end(self, spec: InstanceSpec) -> None:
        """Make a running instance end for good, as if somebody did it by hand."""
        raise NotImplementedError

    def away(self) -> Driver:
        """Return a driver of this kind whose engine does not answer."""
        raise NotImplementedError

    def apply_and_die(self, spec: InstanceSpec) -> None:
        """Apply in a process that is killed when the object is made, but not started."""
        raise NotImplementedError

    # --- shared -------------------------------------------------------------------------------

    def observe(self, spec: InstanceSpec) -> Observation:
        return self.driver.observe(spec.name, spec.folder)

    def reaches(self, spec: InstanceSpec, phase: Phase) -> Observation:
        """Return the first observation of that phase."""
        found: list[Observation] = []

        def look() -> bool:
            found[:] = [self.observe(spec)]
            return found[0].phase is phase

        try:
            until(look)
        except AssertionError:
            raise AssertionError(f"no {phase}; at last {found}, {self.text(spec)}") from None
        return found[0]

    def running(self, play: str = "serve", **changes: Any) -> InstanceSpec:
        """Return the spec of an instance that runs and is ready."""
        spec = self.spec(play, **changes)
        self.driver.apply(spec)
        until(lambda: self.observe(spec).auth_version)
        return spec

    def replaced(self, spec: InstanceSpec) -> None:
        """Apply until an instance of this very digest is ready."""

        def ready() -> bool:
            self.driver.apply(spec)
            found = self.observe(spec)
            return found.digest == spec.digest and bool(found.auth_version)

        until(ready)

    def text(self, spec: InstanceSpec) -> str:
        return self.driver.logs(spec.name, spec.folder)[0]

    def clean(self) -> None:
        for name in dict.fromkeys(self.names):
            until(lambda name=name: self.driver.remove(name, self.place(name)))


def in_a_killed_process(work: Callable[[], None]) -> None:
    """Run `work`, which ends by SIGKILL, in a process of its own."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL, process.exitcode


class FakeCase(Case):
    driver: FakeDriver

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.driver = FakeDriver(folder / "fake", endpoint="http://127.0.0.1:9")

    def plays(self, spec: InstanceSpec, play: str) -> InstanceSpec:
        word, _, rest = play.partition(":")
        script: Script = {"log": "starting\n"}
        if word == "exit":
            code, _, words = rest.partition(":")
            ended: Script = {"phases": ["exited"], "exit_code": int(code), "message": words}
            script = {**ended, "log": f"starting\n{words}\n"}
        elif word == "eat":
            script = {"phases": ["exited"], "exit_code": 137, "out_of_memory": True, "log": ""}
            script["message"] = "used more than 64 MB"
        elif word == "stubborn":
            script["stays"] = 3
        elif word == "lines":
            lines = "".join(f"line {number} of the log é\n" for number in range(int(rest)))
            script["log"] = f"starting\n{lines}"
        elif word == "unstartable":
            words = "The image has no program nothing to start."
            script = {"phases": ["exited"], "exit_code": 127, "message": words, "log": words}
        self.driver.play(spec.name, script)
        return spec

    def identity(self, name: str) -> Any:
        return self.driver.applied(name)

    def end(self, spec: InstanceSpec) -> None:
        self.driver.end(spec.name, message="ended by hand")

    def away(self) -> Driver:
        driver = FakeDriver(self.folder / "away")
        driver.play("*", {"unreachable": True})
        return driver

    def apply_and_die(self, spec: InstanceSpec) -> None:
        self.driver.play(spec.name, {"crash": "created"})
        in_a_killed_process(lambda: self.driver.apply(spec))


class DiesBeforeLaunch(LocalDriver):
    """Is killed between writing a replica's files and starting its master."""

    def _launch(self, spec: InstanceSpec, lock: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class LocalCase(Case):
    """Real masters and workers with a model that plays (tests/local_model)."""

    driver: LocalDriver
    memory_mb = 600

    def __init__(self, folder: Path, engine: LocalEngine) -> None:
        super().__init__(folder)
        self.engine = engine
        self.driver = LocalDriver(folder / "services", USER)

    def place(self, name: str) -> Path:
        return self.folder / "services" / Path(*name.rsplit("-", 2))

    def plays(self, spec: InstanceSpec, play: str) -> InstanceSpec:
        spec.config["scoring_timeout_ms"] = 1000
        parts = vars(self.engine)
        if play == "unstartable":
            parts = {**parts, "environment_dir": self._without_interpreter()}
        return InstanceSpec(**{**vars(spec), **parts})

    def _without_interpreter(self) -> Path:
        program = self.folder / "nothing" / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text("#!/nothing\n")
        program.chmod(0o755)
        return program.parent.parent

    def record(self, spec: InstanceSpec) -> dict[str, Any]:
        found: dict[str, Any] = read_json(spec.folder / RECORD_FILE)
        return found

    def identity(self, name: str) -> Any:
        return read_json(self.place(name) / CONFIG_FILE)["digest"]

    def end(self, spec: InstanceSpec) -> None:
        os.kill(self.record(spec)["pid"], signal.SIGTERM)

    def apply_and_die(self, spec: InstanceSpec) -> None:
        dying = DiesBeforeLaunch(self.driver.services, USER)
        in_a_killed_process(lambda: dying.apply(spec))


class DiesBeforeStart(DockerDriver):
    """Is killed between making a container and starting it."""

    def _start(self, container: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class DockerCase(Case):
    driver: DockerDriver

    def __init__(self, folder: Path, image: str, node: str) -> None:
        super().__init__(folder)
        self.image, self.node = image, node
        self.driver = DockerDriver(node=node)

    def plays(self, spec: InstanceSpec, play: str) -> InstanceSpec:
        image = f"{self.image}-unstartable" if play == "unstartable" else self.image
        return InstanceSpec(**{**vars(spec), "image": spec.image or image})

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.driver.client.inspect_container(
            self.driver.container_name(name)
        )
        return found

    def identity(self, name: str) -> Any:
        return self.inspect(name)["Id"]

    def end(self, spec: InstanceSpec) -> None:
        self.driver.client.stop(self.driver.container_name(spec.name))

    def away(self) -> Driver:
        return DockerDriver(base_url=f"unix://{self.folder}/nothing.sock", node=self.node)

    def apply_and_die(self, spec: InstanceSpec) -> None:
        in_a_killed_process(lambda: DiesBeforeStart(node=self.node).apply(spec))
