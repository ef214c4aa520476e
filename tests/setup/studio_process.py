"""Starts a whole studio for tests, as a person does, in a folder and on ports of its own."""

from __future__ import annotations

import atexit
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from config.paths import DataFolder
from studio.supervisor.folder import UpLock, is_alive
from studio.supervisor.records import MARK, Records
from tests.tracking.mlflow_store import make_template

ROOT = Path(__file__).resolve().parents[2]
HELPERS = {"redis", "tracking", "gateway", "web", "control", "steps", "beat"}
TIMEOUT = 280  # seconds; a first start on a busy machine


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def eventually(what: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@dataclass
class Studio:
    """A studio of a test. `manage` runs one command of it."""

    root: Path
    port: int
    gateway_port: int
    program: tuple[str, ...] = (sys.executable, str(ROOT / "manage.py"))
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, **extra: str) -> Studio:
        root = Path(tempfile.mkdtemp(prefix="slipway-up-", dir="/var/tmp"))
        root.chmod(0o711)
        port, gateway_port = free_ports(2)
        return cls(root, port, gateway_port, extra=extra)

    def with_store(self) -> Studio:
        """Give it an MLflow store with tables that another start made: saves seconds each."""
        self.data.root.mkdir(exist_ok=True)
        shutil.copy(empty_store(), self.data.tracking_database)
        return self

    @property
    def data(self) -> DataFolder:
        return DataFolder(self.root / "data")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        dropped = ("SLIPWAY_", "DJANGO_", "DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        return {
            **inherited,
            "SLIPWAY_DATA_DIR": str(self.data.root),
            "SLIPWAY_PORT": str(self.port),
            "SLIPWAY_GATEWAY_PORT": str(self.gateway_port),
            **self.extra,
            **(more or {}),
        }

    def manage(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.program, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=self.environment(environment),
            cwd=self.root,
            check=False,
        )

    def up(self) -> str:
        """Start in the background; return what it printed."""
        done = self.manage("up", "--detach")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def logs(self) -> str:
        """The end of every log, for the message of a failing test."""
        paths = sorted(self.data.logs.glob("*.log")) if self.data.logs.is_dir() else []
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in paths)

    def supervisor(self) -> psutil.Process:
        holder = UpLock(self.data).holder()
        assert holder, "no supervisor runs"
        return psutil.Process(holder["pid"])

    def children(self) -> dict[str, dict[str, Any]]:
        """What the supervisor has recorded of its processes."""
        return Records(self.data.run / "processes.json").children

    def pid(self, name: str) -> int:
        """The recorded number of a process, dead or alive."""
        return int(self.children()[name]["pid"])

    def alive(self) -> dict[str, list[int]]:
        """Processes of this studio by the name that the supervisor gave them."""
        found: dict[str, list[int]] = {}
        for process in psutil.process_iter():
            try:
                mark = process.environ().get(MARK, "")
                dead = process.status() == psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            node, _, name = mark.partition(":")
            if node == self.data.node_id and not dead:
                found.setdefault(name, []).append(process.pid)
        for name, record in self.children().items():  # Redis writes over its environment
            if is_alive(record) and record["pid"] not in found.setdefault(name, []):
                found[name].append(record["pid"])
        return {name: pids for name, pids in found.items() if pids}

    def get(self, path: str, *, port: int | None = None) -> tuple[int, str]:
        """Status and body; (0, "") where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def close(self) -> None:
        """Stop all of it, whatever the test did to it, and remove its folder."""
        if self.alive() or (self.data.services.is_dir() and any(self.data.services.iterdir())):
            self.manage("down")
        for pids in self.alive().values():
            for pid in pids:
                try:
                    psutil.Process(pid).kill()
                except psutil.NoSuchProcess:
                    pass
        shutil.rmtree(self.root, ignore_errors=True)


@cache
def empty_store() -> Path:
    """An MLflow store without anything in it, to be copied."""
    return make_template(kept_folder(), "mlflow-artifacts:/")


def kept_folder() -> Path:
    """A folder that is gone when the tests have ended."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def password(output: str) -> str:
    """The first password in what `up` printed."""
    found = re.search(r"password\s+(\S+)\s+\(shown this once\)", output)
    assert found, output
    return found[1]


def only_sentence(done: subprocess.CompletedProcess[Any]) -> str:
    """What a failed command said, which must be one line on stderr and exit code 1."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    [line] = done.stderr.strip().splitlines()
    return str(line)
