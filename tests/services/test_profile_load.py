"""Load for a profile: clients that ask again as soon as they are answered."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployments.trying.profile_load import Measured, run_level, target_of

BODY = b'{"inputs": [1]}'


@dataclass
class Server:
    """Answers as told: status, body in one piece or in chunks, a broken connection.

    Nobody is answered before `meeting` clients have asked: a busy machine starts them late.
    """

    how: str = "whole"
    meeting: int = 1
    met: threading.Event = field(default_factory=threading.Event)
    bodies: set[bytes] = field(default_factory=set)
    open: int = 0
    most: int = 0
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    told, lock = Server(), threading.Lock()

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            told.bodies.add(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                told.open += 1
                told.most = max(told.most, told.open)
                if told.open >= told.meeting:
                    told.met.set()
            told.met.wait(timeout=10)
            time.sleep(0.002)
            with lock:
                told.open -= 1
            if told.how == "broken":
                self.close_connection = True
                return
            self.send_response(503 if told.how == "refused" else 200)
            if told.how == "chunks":
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"2\r\nab\r\n0\r\n\r\n")
            else:
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ab")

        def log_message(self, *args: object) -> None:
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    told.url = f"http://127.0.0.1:{made.server_port}/score"
    yield told
    made.shutdown()
    made.server_close()


def level(server: Server, clients: int = 3, **more: Any) -> Measured:
    usual = {"seconds": 0.3, "most_seconds": 3.0, "cancelled": lambda: False, "began": lambda: None}
    target = target_of(server.url, BODY, {"content-type": "application/json"})
    return run_level(target, clients, **{**usual, **more})


@pytest.mark.parametrize("how", ["whole", "chunks"])
def test_every_client_asks_again_as_soon_as_it_was_answered(server: Server, how: str) -> None:
    server.how, server.meeting = how, 3
    found = level(server)
    assert (found.failed, server.bodies, server.most) == (0, {BODY}, 3)
    assert len(found.times_ms) >= 10
    assert min(found.times_ms) >= 2
    assert 0.3 <= found.seconds < 3


@pytest.mark.parametrize(
    ("how", "words"), [("refused", "status 503"), ("broken", "A connection broke")]
)
def test_what_is_no_good_answer_counts_as_failed(server: Server, how: str, words: str) -> None:
    server.how = how
    found = level(server, most_seconds=0.5)
    assert found.times_ms == []
    assert found.failed > 3
    assert words in found.failure


def test_cancelled_it_ends_at_once(server: Server) -> None:
    started = time.monotonic()
    level(server, seconds=30.0, most_seconds=30.0, cancelled=lambda: True)
    assert time.monotonic() - started < 5


def test_nobody_there_is_told() -> None:
    found = level(Server(url="http://127.0.0.1:9/score"), most_seconds=0.5)
    assert found.times_ms == []
    assert found.failure.startswith("No connection")
