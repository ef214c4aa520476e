"""A real replica (master and workers) in a folder of its own, and how tests talk to it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

BOOT = Path(__file__).resolve().parents[2] / "serving" / "boot.py"
KEY, STUDIO_KEY = "the-primary-key", "the-studio-key"
DEADLINE = 100.0  # seconds; loading MLflow on a busy machine takes some


def wait_until(true: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Poll until `true` returns something; fails the test with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Replica:
    """One replica's folder and master process."""

    def __init__(self, folder: Path, model: Path, **settings: Any) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.config: dict[str, Any] = {
            "service": "diabetes",
            "revision": 3,
            "replica": 0,
            "digest": "digest-1",
            "host": "127.0.0.1",
            "port": 0,
            "model_dir": str(model),
            "model_name": "diabetes",
            "model_version": "7",
            "workers": 1,
            "cpu": 1.0,
            "memory_mb": 2048,
            "max_concurrent": 4,
            "max_queue_wait_ms": 20000,
            "scoring_timeout_ms": 30000,
            "max_body_bytes": 200_000,
            "verbose_errors": False,
            "loader": "plain",
            **settings,
        }
        (folder / "service.json").write_text(json.dumps(self.config))
        self.write_keys()
        self.process: subprocess.Popen[bytes] | None = None

    def write_keys(self, version: int = 1, *, enabled: bool = True, **keys: str) -> None:
        """Replace auth.json by rename; without keys given, the usual two."""
        keys = keys or {"primary": KEY, "studio": STUDIO_KEY}
        hashes = [
            {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
            for name, key in keys.items()
        ]
        self.replace_auth(json.dumps({"version": version, "enabled": enabled, "keys": hashes}))

    def replace_auth(self, text: str) -> None:
        """Replace auth.json's text by rename."""
        temporary = self.folder / "auth.new"
        temporary.write_text(text)
        temporary.replace(self.folder / "auth.json")

    def start(self) -> Replica:
        """Start the master; does not wait."""
        self.process = self.another_master()
        return self

    def another_master(self) -> subprocess.Popen[bytes]:
        """Start a master on this folder."""
        command = [sys.executable, str(BOOT), "replica", "--dir", str(self.folder)]
        with (self.folder / "service.log").open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )

    def started(self) -> Replica:
        """Start the master and wait until the model is loaded."""
        self.start()
        wait_until(lambda: self.record().get("phase") != "starting", "the first record")
        assert self.record()["phase"] == "ready", self.log()
        return self

    def record(self) -> dict[str, Any]:
        """The runtime record, or a starting one while there is none of this master."""
        try:
            record = json.loads((self.folder / "runtime.json").read_text())
        except FileNotFoundError:
            return {"phase": "starting"}
        mine = self.process is not None and record["pid"] == self.process.pid
        return record if mine else {"phase": "starting"}

    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def log_lines(self) -> list[dict[str, Any]]:
        """The structured lines of the log."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.record()['port']}"

    def worker_pids(self) -> list[int]:
        assert self.process is not None
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def post(
        self, path: str, body: Any, *, key: str | None = KEY, **headers: str
    ) -> requests.Response:
        """POST a document as JSON, or text and bytes as they are."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        sent = {"content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        return requests.post(self.url + path, data=data, headers=sent, timeout=30)

    def get(self, path: str, *, key: str | None = KEY, **headers: str) -> requests.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        return requests.get(self.url + path, headers=sent, timeout=30)

    def wait_for_exit(self, seconds: float = DEADLINE) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self) -> None:
        """End the master and whatever it left."""
        if self.process is None:
            return
        workers = self.worker_pids() if self.process.poll() is None else []
        for pid in [self.process.pid, *workers]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
