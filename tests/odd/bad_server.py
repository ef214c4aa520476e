"""A tracking server that is broken, or slow, in the way a test asks for."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

HALF = b'{"experiments": [{"experiment_id": "1", "name": "ha'
HTML = b"<!doctype html><html><body><h1>Welcome</h1></body></html>"
WAYS = ("slow", "500", "500 json", "half", "cut", "html", "html 404", "other json", "list", "empty")


class BadServer:
    """Answers every request in one of WAYS; `way` may be changed at any time.

    With "head by bytes" and "body by bytes" its answers come in drops. With "late" it gives the
    answer of the server `behind`, `late_s` seconds later.
    """

    def __init__(self) -> None:
        self.way = "html"
        self.behind, self.late_s, self.asked = "", 2.0, 0
        self.over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_args: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.asked += 1
                if server.way == "late":
                    server.pass_on(self, body)
                else:
                    server.answer(self)

            do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.way == "slow":
            self.over.wait(30)
        if self.way in {"head by bytes", "body by bytes"}:
            self.trickle(request)
            return
        answers = {
            "500": (500, "text/plain", b"Internal Server Error", 0),
            "500 json": (500, "application/json", b'{"error_code": "INTERNAL_ERROR"}', 0),
            "half": (200, "application/json", HALF, 100),
            "cut": (200, "application/json", HALF, 0),
            "html": (200, "text/html", HTML, 0),
            "html 404": (404, "text/html", HTML, 0),
            "other json": (200, "application/json", b'{"hello": [{"run": 1}], "run": 7}', 0),
            "list": (200, "application/json", b'["a", 1]', 0),
            "empty": (200, "application/json", b"", 0),
        }
        self.send(request, *answers.get(self.way, answers["500"]))

    def trickle(self, request: BaseHTTPRequestHandler) -> None:
        """A right answer of 300 bytes, of which ten come in a second."""
        body = b'{"runs": [%s]}' % (b" " * 300)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        head += b"Content-Length: %d\r\n\r\n" % len(body)
        quick = head if self.way == "body by bytes" else b""
        try:
            request.wfile.write(quick)
            for byte in (head + body)[len(quick) :]:
                if self.over.wait(0.1):
                    break
                request.wfile.write(bytes([byte]))
        except OSError:
            pass  # who asked has given up
        request.close_connection = True

    def pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        self.over.wait(self.late_s)
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        asked = urllib.request.Request(
            self.behind + request.path, body or None, headers, method=request.command
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                self.send(request, answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            self.send(request, error.code, error.headers["Content-Type"], error.read())
        except OSError:
            pass  # the test is over, and with it the server behind

    @staticmethod
    def send(
        request: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, missing: int = 0
    ) -> None:
        try:
            request.send_response(status)
            request.send_header("Content-Type", kind)
            request.send_header("Content-Length", str(len(body) + missing))
            request.end_headers()
            request.wfile.write(body)
            request.close_connection = True
        except OSError:
            pass  # who asked has given up
