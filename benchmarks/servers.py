"""A server to measure: starts on a free port and knows how it wants to be asked."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A process that scores. `first_answer` is seconds from its start to its first answer.

    Args:
        dialect: how its requests are written, see `models.Model.body`.
        log: where its output goes; nowhere when None.
        behind: another server that must run as well, and counts with it.
    """

    name: str
    command: list[str]
    url: str
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    dialect: str = "mlflow"
    environment: dict[str, str] = field(default_factory=dict)
    log: Path | None = None
    behind: Server | None = None
    process: subprocess.Popen[bytes] | None = None
    first_answer: float = 0.0

    def start(self, body: bytes, seconds: float = 120) -> None:
        """Start it and wait for its first answer; raises RuntimeError when none comes."""
        client = httpx.Client(timeout=30, verify=False)
        begun = time.monotonic()
        if self.behind is not None:
            self.behind.start(body, seconds)
        with (self.log or Path(os.devnull)).open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=ROOT,
                env={**os.environ, "PATH": self._path(), **self.environment},
            )
        while time.monotonic() - begun < seconds:
            with suppress(httpx.HTTPError):
                answer = client.post(self.url, content=body, headers=self.headers)
                if answer.status_code == 200:
                    self.first_answer = time.monotonic() - begun
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not answer within {seconds} s")

    def _path(self) -> str:
        """MLflow starts `uvicorn` by its name, so the programs of its environment come first."""
        return f"{Path(self.command[0]).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

    def memory_mb(self) -> float:
        """Proportional memory (PSS) of all its processes, in megabytes."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        family = [parent, *parent.children(recursive=True)]
        own: float = sum(one.memory_full_info().pss for one in family) / 1e6
        return own + (self.behind.memory_mb() if self.behind else 0.0)

    def stop(self) -> None:
        """Kill all its processes."""
        if self.process is not None:
            parent = psutil.Process(self.process.pid)
            for one in [*parent.children(recursive=True), parent]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            self.process.wait()
            self.process = None
        if self.behind is not None:
            self.behind.stop()
