"""Servers to measure: each starts on a free port and knows how to be asked one row."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from serving.contract import AUTH_FILE, CONFIG_FILE, ROUTES_FILE

KEY = "benchmark"
ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _path() -> str:
    """MLflow starts `uvicorn` by its name, so our environment's programs come first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


@dataclass
class Server:
    """A process that scores. `first_answer` is seconds from its start to its first answer."""

    name: str
    command: list[str]
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    first_answer: float = 0.0

    def start(self, body: bytes, seconds: float = 120) -> None:
        begun = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=ROOT,
            env={**os.environ, "SLIPWAY_LOG": "stdout", "PATH": _path()},
        )
        while time.monotonic() - begun < seconds:
            with suppress(httpx.HTTPError):
                answer = httpx.post(self.url, content=body, headers=self.headers, timeout=30)
                if answer.status_code == 200:
                    self.first_answer = time.monotonic() - begun
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not answer within {seconds} s")

    def memory_mb(self) -> float:
        """Proportional memory of all its processes."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        family = [parent, *parent.children(recursive=True)]
        return sum(one.memory_full_info().pss for one in family) / 1e6

    def stop(self) -> None:
        if self.process is not None:
            parent = psutil.Process(self.process.pid)
            for one in [*parent.children(recursive=True), parent]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            self.process.wait()


def mlflow_serve(model: Path) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    return Server(
        "mlflow models serve",
        [*command, "--model-uri", str(model), "--port", str(port), "--workers", "1"],
        f"http://127.0.0.1:{port}/invocations",
        {"content-type": "application/json"},
    )


def runtime(model: Path, folder: Path) -> Server:
    """Our runtime as the local target starts it: keys, limits and metrics on."""
    port = free_port()
    folder.mkdir(parents=True)
    config = {
        "service": "benchmark",
        "revision": 1,
        "replica": 0,
        "digest": "benchmark",
        "host": "127.0.0.1",
        "port": port,
        "model_dir": str(model),
        "model_name": "benchmark",
        "model_version": "1",
        "workers": 1,
        "cpu": 1.0,
        "memory_mb": 4096,
        "max_concurrent": 128,
        "max_queue_wait_ms": 10_000,
        "scoring_timeout_ms": 60_000,
        "max_body_bytes": 100_000_000,
        "verbose_errors": True,
        "loader": "plain",
    }
    keys = [{"name": "primary", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    (folder / AUTH_FILE).write_text(json.dumps({"version": 1, "enabled": True, "keys": keys}))
    return Server(
        "Slipway runtime",
        [sys.executable, "-m", "serving", "replica", "--dir", str(folder)],
        f"http://127.0.0.1:{port}/invocations",
        {"content-type": "application/json", "authorization": f"Bearer {KEY}"},
    )


def gateway(behind: Server, folder: Path) -> Server:
    """Our gateway in front of a running runtime."""
    port = free_port()
    folder.mkdir(parents=True)
    backend = {"revision": 1, "url": behind.url.removesuffix("/invocations"), "weight": 100}
    routes = {"version": 1, "services": {"benchmark": {"backends": [backend], "reason": ""}}}
    (folder / ROUTES_FILE).write_text(json.dumps(routes))
    command = [sys.executable, "-m", "serving", "gateway", "--run-dir", str(folder)]
    return Server(
        "through the gateway",
        [*command, "--port", str(port)],
        f"http://127.0.0.1:{port}/api/v1/service/benchmark/invocations",
        behind.headers,
    )
