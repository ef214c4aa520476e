"""Fills an empty studio with real runs by training: `manage.py demo` and the home page's button.

The training is a process of its own (`studio.demo_data.train`); here is how it is started once at
a time, and how far it is. That is a file below run/, for nothing else depends on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Unavailable

QUEUED_TIMEOUT = 600  # seconds; a message that Redis lost must not block the button for ever
EXPERIMENTS = ("diabetes-regression", "wine-classification")


@dataclass(frozen=True)
class DemoStatus:
    """How far the demo is. `done` of `total` runs are there; `message` is for a person."""

    state: Literal["absent", "queued", "running", "finished", "failed"]
    done: int = 0
    total: int = 0
    message: str = ""

    @property
    def is_busy(self) -> bool:
        return self.state in {"queued", "running"}

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.total) if self.total else 0


def demo_start(*, user: Any) -> DemoStatus:
    """Ask a worker to fill the studio; does nothing while that goes on already.

    Returns the status: queued, or what it was when it is under way.
    Raises:
        Unavailable: no worker can be asked now, because Redis does not answer.
    """
    from kombu.exceptions import OperationalError

    from studio.tasks import demo

    status = demo_status()
    if status.is_busy:
        return status
    queued = DemoStatus("queued", message=_("Waiting for a worker"))
    _write(queued)
    try:
        demo.delay(user.get_username())
    except OperationalError as error:
        _write(status)
        raise Unavailable(_("Redis does not answer: nothing can be started now.")) from error
    return queued


def demo_status() -> DemoStatus:
    """How far it is; a run that was killed counts as failed and can be started again."""
    path = _status_path()
    try:
        status = DemoStatus(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return DemoStatus("absent")
    if status.state == "queued" and time.time() - path.stat().st_mtime > QUEUED_TIMEOUT:
        return DemoStatus("failed", message=_("No worker has taken it up."))
    if status.state == "running" and not _is_running():
        return DemoStatus("failed", status.done, status.total, _("It was interrupted."))
    return status


def demo_run(*, username: str, say: Callable[[str], None] = lambda line: None) -> DemoStatus:
    """Train what is missing, here and now; returns when it has ended. Again: adds nothing.

    Args:
        username: whose runs they are.
        say: gets one line per training.
    Raises:
        Unavailable: the training failed, or goes on already; the message says why.
    """
    with _lock() as lock:
        status = DemoStatus("running", message=_("Starting"))
        _write(status)
        try:
            status = _train(username, say, lock)
        except (OSError, subprocess.SubprocessError, Unavailable) as error:
            _write(DemoStatus("failed", status.done, status.total, str(error)))
            raise Unavailable(str(error)) from error
        _write(status)
        return status


def _train(username: str, say: Callable[[str], None], lock: int) -> DemoStatus:
    env = settings.SLIPWAY
    command = [sys.executable, "-m", "studio.demo_data.train", "--user", username]
    uri = env.tracking_uri
    if not env.tracking_is_remote:
        from workspaces.tracking.store import server as tracking_server

        tracking_server.prepare_store(env)
        uri = tracking_server.database_uri(env)
        command += ["--artifact-root", env.artifact_root]
    log_path = settings.DATA.logs / "demo.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(uri),
            cwd=_cwd(),
            pass_fds=[lock],  # a training whose starter was killed still counts as running
        ) as process,
    ):
        try:
            status = _follow(process, say)
            code = process.wait(timeout=30)
        finally:
            process.kill()
    if code != 0:
        reason = _last_line(log_path)
        raise Unavailable(_("The training failed: %(reason)s") % {"reason": reason})
    return DemoStatus("finished", status.total, status.total)


def _follow(process: subprocess.Popen[bytes], say: Callable[[str], None]) -> DemoStatus:
    assert process.stdout is not None
    status = DemoStatus("running")
    for line in process.stdout:
        found = json.loads(line)
        status = DemoStatus("running", found["done"], found["total"], found["message"])
        _write(status)
        if status.message:
            say(f"{status.done + 1} of {status.total}  {status.message}")
    return status


def _environment(uri: str) -> dict[str, str]:
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,  # may hold a password: not an argument, which all can read
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
    }
    if settings.SLIPWAY.tracking_is_remote and settings.SLIPWAY.tracking_token:
        environment["MLFLOW_TRACKING_TOKEN"] = settings.SLIPWAY.tracking_token
    return environment


def _cwd() -> Path:
    return Path(settings.DATA.run if settings.BUNDLED.is_dir() else settings.SOURCE_ROOT)


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _status_path() -> Path:
    return Path(settings.DATA.run / "demo.json")


def _write(status: DemoStatus) -> None:
    path = _status_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(status)), encoding="utf-8")
    temporary.replace(path)


@contextlib.contextmanager
def _lock() -> Iterator[int]:
    """Held while it trains, so that a kill -9 is seen and two never train at once."""
    path = settings.DATA.run / "demo.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(_("The demo is being made already.")) from error
        yield lock.fileno()


def _is_running() -> bool:
    try:
        with _lock():
            return False
    except Unavailable:
        return True
