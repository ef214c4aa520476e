"""One worker process, as its master sees it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from serving.contract import ReplicaConfig

BOOT = Path(__file__).resolve().with_name("boot.py")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def worker_environment(config: ReplicaConfig) -> dict[str, str]:
    """Return a worker's environment: the service's own variables win over ours."""
    threads = str(max(1, math.ceil(config["cpu"])))
    return {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, threads),
        "PYTHONUNBUFFERED": "1",
        "_MLFLOW_IS_IN_SERVING_ENVIRONMENT": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **config.get("environment", {}),
    }


class Worker:
    """A started worker process and what it reported."""

    def __init__(
        self, index: int, process: subprocess.Popen[bytes], report_fd: int, *, late: bool
    ) -> None:
        self.index, self.late = index, late
        self.process = process
        self.report_fd = report_fd
        self.ready_at: float | None = None  # time.monotonic()
        self.heard_at = time.monotonic()
        self.load_seconds: float | None = None
        self.auth_version = 0
        self.failure = ""  # one plain sentence, of the worker or of the master that killed it
        self.over_memory = False
        self._tail = b""

    @classmethod
    def start(
        cls, folder: Path, config: ReplicaConfig, index: int, fds: tuple[int, int], *, late: bool
    ) -> Worker:
        """Start worker `index`; `fds` are the shared listening socket and the life pipe's end.

        The worker leads a session of its own, so that killing it ends what it started too.
        """
        socket_fd, life_fd = fds
        report_read, report_write = os.pipe()
        os.set_blocking(report_read, False)
        command = [sys.executable, str(BOOT), "worker", "--dir", str(folder), f"--index={index}"]
        command += [f"--socket-fd={socket_fd}", f"--report-fd={report_write}"]
        command += [f"--life-fd={life_fd}", f"--master={os.getpid()}"] + ["--late"] * late
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=worker_environment(config),
                pass_fds=(socket_fd, report_write, life_fd),
                start_new_session=True,
            )
        except BaseException:
            os.close(report_read)
            raise
        finally:
            os.close(report_write)
        return cls(index, process, report_read, late=late)

    @property
    def accepts(self) -> bool:
        """Whether it takes connections: from its start, or, a late one, when it is ready."""
        return self.ready_at is not None or not self.late

    def read_reports(self) -> list[dict[str, Any]]:
        """Take in what the worker reported since the last call, and return it."""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self.report_fd, 65536):
                self._tail += block
        *lines, self._tail = self._tail.split(b"\n")
        reports: list[dict[str, Any]] = [json.loads(line) for line in lines]
        if reports:
            self.heard_at = time.monotonic()
        for report in reports:
            if "load_seconds" in report:
                self.ready_at = time.monotonic()
                self.load_seconds = report["load_seconds"]
            self.auth_version = report.get("auth_version", self.auth_version)
            self.failure = report.get("failure", self.failure)
        return reports

    def drain(self) -> None:
        """Ask the worker to finish its requests and end."""
        self.process.terminate()

    def kill(self) -> None:
        """End the worker and what it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()

    def close(self) -> None:
        """Free the descriptor of an ended worker, and end what it left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        os.close(self.report_fd)

    def obituary(self) -> str:
        """Return in plain words why an ended worker ended."""
        if self.failure:
            return self.failure
        code = self.process.returncode
        if code == -signal.SIGKILL:
            return "the worker was killed (SIGKILL), perhaps because the machine ran out of memory"
        if code < 0:
            return f"the worker was ended by signal {signal.Signals(-code).name}"
        return f"the worker ended with exit code {code}"
