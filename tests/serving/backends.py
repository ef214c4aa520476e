"""A real gateway process, and small HTTP servers that stand behind it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.serving.replica import wait_until

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1_000_000  # bytes of a body, in most tests


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def read_all(client: socket.socket) -> bytes:
    """Read until the other side closes; a reset ends it as well."""
    blocks = []
    with contextlib.suppress(ConnectionResetError):
        while block := client.recv(65536):
            blocks.append(block)
    return b"".join(blocks)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EchoServer

    def log_message(self, *args: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            blocks = []
            while size := int(self.rfile.readline(), 16):
                blocks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(blocks)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the body broke off")
        return body

    def do_GET(self) -> None:
        if self.headers.get("x-refuse"):
            self._answer(401, b"refused before reading")
            return
        body = self._body()
        self.server.seen.append(self.path)
        if "cut" in self.path:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 1000)
            self.close_connection = True
        elif "die" in self.path:
            self.close_connection = True
        elif "slow" in self.path:
            time.sleep(1)
            self._answer(200, b"slow")
        elif "big" in self.path:
            self._answer(200, b"x" * 3_000_000)
        else:
            told = {"path": self.path, "method": self.command, "length": len(body)}
            headers = [[name.lower(), value] for name, value in self.headers.items()]
            told |= {"headers": headers, "backend": self.server.name, "start": body[:20].hex()}
            self._answer(200, json.dumps(told).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Set-Cookie", "session=secret")
        self.send_header("Keep-Alive", "timeout=1")
        self.send_header("X-Own", "kept")
        if "cors" in self.path:
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Credentials", "true")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_GET
    do_HEAD = do_GET
    do_OPTIONS = do_GET


class EchoServer(ThreadingHTTPServer):
    """Answers with what it was asked; paths with cut, die, slow and big do what they say."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.seen: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that leave are what some tests are about


def gateway_command(run_dir: Path, port: int) -> list[str]:
    """The command line of a gateway; run it in ROOT."""
    command = [sys.executable, "-m", "serving", "gateway", "--run-dir", str(run_dir)]
    return [*command, "--port", str(port)]


class GatewayProcess:
    """`python -m serving gateway` over a run folder."""

    def __init__(
        self,
        run_dir: Path,
        port: int,
        *options: str,
        max_body_bytes: int = LIMIT,
        scheme: str = "http",
    ) -> None:
        self.run_dir, self.port, self.scheme = run_dir, port, scheme
        self.version = 0
        command = [*gateway_command(run_dir, port), "--max-body-bytes", str(max_body_bytes)]
        command += options
        self.log = run_dir / "gateway.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        wait_until(self._answers, "the gateway answers", 20)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=5, verify=False).ok
        except requests.ConnectionError:
            assert self.process.poll() is None, self.log.read_text()
            return False

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A raw connection, for what no client library sends."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, sent: bytes) -> bytes:
        """Send bytes as they are; return all that comes back until the connection closes."""
        with self.connect() as client:
            client.sendall(sent)
            return read_all(client)

    def applied(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.run_dir / "gateway.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def write(self, text: str) -> None:
        """Replace routes.json by rename."""
        temporary = self.run_dir / "routes.new"
        temporary.write_text(text)
        temporary.replace(self.run_dir / "routes.json")

    def route(
        self,
        reason: str = "",
        extra: dict[str, Any] | None = None,
        seconds: float = 30,
        **services: list[tuple[str, int]],
    ) -> None:
        """Route each service to backends (url, weight), and wait until it is in force.

        `extra` holds fields of every route: cors_origins, max_body_bytes. `seconds`: the longest
        wait.
        """
        self.version += 1
        routes = {
            name: {
                **(extra or {}),
                "reason": reason,
                "backends": [
                    {"revision": place + 1, "url": url, "weight": weight}
                    for place, (url, weight) in enumerate(backends)
                ],
            }
            for name, backends in services.items()
        }
        self.write(json.dumps({"version": self.version, "services": routes}))
        version = self.version
        wait_until(lambda: self.applied().get("version") == version, "routes in force", seconds)

    def path(self, rest: str, service: str = "iris") -> str:
        return f"{self.url}/api/v1/service/{service}/{rest}"

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
