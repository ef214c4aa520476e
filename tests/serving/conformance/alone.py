"""`python -m serving …` as a person starts it, for the tests of standing alone."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from tests.serving.replica import wait_until

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Alone:
    """A service that stands alone; `key` is what it printed."""

    def __init__(
        self, folder: Path, *options: str, cwd: Path | None = None, **environ: str
    ) -> None:
        self.log = folder / "alone.log"
        self.port = free_port()
        command = [sys.executable, "-m", "serving", *options, "--port", str(self.port)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **environ}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=cwd or folder, env=variables
            )
        self.scheme = "https" if "--tls-cert" in options else "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        found = re.search(r"shown once: (\S+)", self.log.read_text())
        return found.group(1) if found else ""

    def ready(self, **how: Any) -> Alone:
        """Wait until it answers that it is ready."""
        wait_until(lambda: self._answers(how), "the service is ready")
        return self

    def _answers(self, how: dict[str, Any]) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/health", timeout=5, **how).ok
        except requests.ConnectionError:
            return False

    def post(self, body: Any, *, path: str = "/score", **how: Any) -> requests.Response:
        headers = {"authorization": f"Bearer {self.key}", **how.pop("headers", {})}
        return requests.post(self.url + path, data=body, headers=headers, timeout=30, **how)

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)
