"""What telemetry costs: the runtime as it is beside a copy that counts nothing."""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks import environments
from benchmarks.contenders import fast_python, runtime
from benchmarks.goals import Goal
from benchmarks.load import measure
from benchmarks.models import train

ROUNDS = 9
INTRODUCTION = """The linear model, 64 clients, one row each, access log off: metrics, request ids
and traces (1 % of the requests, sent to a collector) against the same runtime with all of them
taken out. Rounds alternate; the middle one of their ratios counts."""


class Collector(BaseHTTPRequestHandler):
    """Takes traces and forgets them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def collector() -> Iterator[str]:
    """Run a collector of traces; gives its endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def section(seconds: float) -> tuple[list[Goal], str]:
    """Measure, and return the goal and a Markdown section."""
    with tempfile.TemporaryDirectory() as name, collector() as endpoint:
        pairs = rates(Path(name), endpoint, seconds)
    ratio = statistics.median(on / off for on, off in pairs)
    on, off = (statistics.median(found) for found in zip(*pairs, strict=True))
    rows = f"| on | {on:,.0f} |\n| off | {off:,.0f} |"
    table = f"| metrics, ids, traces | requests/s |\n| --- | --- |\n{rows}"
    goal = Goal("linear", "requests/s with telemetry", "without", ratio, 0.9)
    return [goal], f"## Telemetry\n\n{INTRODUCTION}\n\n{table}"


def rates(folder: Path, endpoint: str, seconds: float) -> list[tuple[float, float]]:
    """Return requests per second with telemetry and without, of each round."""
    model = train("linear", folder)
    quiet = {"loader": "fast", "access_log": False}
    traced = {**quiet, "trace_endpoint": endpoint, "trace_sample": 0.01}
    python, bare = fast_python(model), environments.uncounted()
    servers = (
        runtime("on", python, model, folder / "on", traced),
        runtime("off", python, model, folder / "off", quiet, bare),
    )
    found: dict[str, list[float]] = {"on": [], "off": []}
    try:
        for server in servers:
            server.start(model.body(1, server.dialect))
        for _ in range(ROUNDS):
            for server in servers:
                body = model.body(1, server.dialect)
                result = measure(server.url, server.headers, body, 64, seconds, folder)
                found[server.name].append(result.rate)
    finally:
        for server in servers:
            server.stop()
    return list(zip(found["on"], found["off"], strict=True))
