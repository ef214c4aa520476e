"""The real web server with its proxy, in a thread, before MLflow's real server, a process."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import uvicorn

from config import env as env_module
from config.env import Env
from workspaces.proxy import Upstream
from workspaces.tokens import token_create
from workspaces.tracking.store import server as tracking_server

START_TIMEOUT_S = 90  # importing MLflow on a busy machine


def wait_until(is_true: Callable[[], bool], timeout: float, what: str) -> None:
    """Poll a real process; fail with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def unix_status(path: Path) -> int:
    """Status of GET /health over a unix socket; 0 where nobody listens."""
    link = http.client.HTTPConnection("localhost", timeout=5)
    link.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.sock.settimeout(5)
    try:
        link.sock.connect(str(path))
        link.request("GET", "/health")
        return link.getresponse().status
    except OSError:
        return 0
    finally:
        link.close()


@dataclass
class Tracking:
    """MLflow's server as the supervisor starts it."""

    env: Env
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def socket(self) -> Path:
        return self.env.data.socket("tracking")

    def memory(self) -> int:
        """Resident bytes of the server and its children."""
        parent = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in [parent, *parent.children(recursive=True)])


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    with tempfile.TemporaryDirectory(prefix="slw", dir="/var/tmp") as folder:
        env = env_module.load({"SLIPWAY_DATA_DIR": folder})
        tracking_server.prepare_store(env)
        command, environ = tracking_server.command(env, dict(os.environ))
        log = Path(folder) / "tracking.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, env=environ, cwd=folder, stdout=stream, stderr=stream
            )
        server = Tracking(env, process, log)
        try:
            wait_until(
                lambda: process.poll() is not None or unix_status(server.socket) == 200,
                START_TIMEOUT_S,
                "MLflow's server did not start",
            )
            assert process.poll() is None, log.read_text()
            yield server
        finally:
            process.terminate()
            process.wait(timeout=20)


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """In a thread there are none."""


@dataclass
class Web:
    """The studio's web server."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        """Send a request as it stands: no redirects followed, no path tidied."""
        options.setdefault("timeout", 60)
        session = requests.Session()
        session.trust_env = False
        request = requests.Request(method, self.url, **_without_send_options(options))
        prepared = session.prepare_request(request)
        prepared.url = self.url + path  # requests would tidy dot segments away
        return session.send(
            prepared,
            allow_redirects=False,
            timeout=options["timeout"],
            stream=options.get("stream", False),
        )


def _without_send_options(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in {"timeout", "stream"}}


def serve(app: Any) -> tuple[_Server, threading.Thread]:
    """Run an ASGI app on a free port in a thread."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="on", log_level="warning", access_log=False
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 20, "the web server did not start")
    return server, thread


@pytest.fixture(scope="session")
def web_server(tracking: Tracking) -> Iterator[Web]:
    from config import asgi

    asgi.proxy.upstream = Upstream(socket=tracking.socket)
    server, thread = serve(asgi.application)
    yield Web(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(timeout=20)
    assert not thread.is_alive()


@pytest.fixture
def web(web_server: Web, transactional_db: None) -> Web:
    """The web server, with an empty database."""
    return web_server


@pytest.fixture
def ada(transactional_db: None, django_user_model: Any) -> Any:
    """A user without special rights."""
    return django_user_model.objects.create_user("ada", password="a-long-password-1")


@pytest.fixture
def token(ada: Any) -> str:
    return token_create(user=ada, name="laptop")[1]


@pytest.fixture
def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def cookie(ada: Any, client: Any, settings: Any) -> dict[str, str]:
    """Headers of a browser in which ada is signed in."""
    client.force_login(ada)
    name = settings.SESSION_COOKIE_NAME
    return {"Cookie": f"{name}={client.cookies[name].value}"}


@pytest.fixture
def python() -> str:
    return sys.executable
