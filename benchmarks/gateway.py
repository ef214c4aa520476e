"""Our gateway beside Debian's nginx, before the same backend."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.goals import Goal
from benchmarks.load import Result, measure
from benchmarks.servers import Server, free_port
from serving.contract import GATEWAY_PREFIX, ROUTES_FILE

BODY = json.dumps(
    {"dataframe_split": {"columns": list("abcdefghij"), "data": [[0.05] * 10]}}
).encode()
ANSWER = '{"predictions": [152.13]}'
PATH = f"{GATEWAY_PREFIX}benchmark/score"
HEADERS = {"content-type": "application/json", "authorization": "Bearer benchmark"}
INTRODUCTION = """One row of JSON is posted over 1 and over 64 connections: to the backend itself,
through Debian's nginx (one worker, keep-alive to its upstream) and through the gateway. The
backend is an nginx that answers at once, so what is measured is the relay. Rounds alternate; the
middle one counts."""
MOST_MS, LEAST_RATE = 0.5, 0.4  # the goals: added p50 at 1 client, share of nginx's rate at 64

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=2048; {location} }}
}}
"""
ANSWERS = "location / {{ default_type application/json; return 200 '{answer}'; }}"
RELAYS = (
    "location / { proxy_pass http://backend; proxy_http_version 1.1; "
    'proxy_set_header Connection ""; proxy_set_header X-Request-Id $request_id; '
    "proxy_set_header X-Forwarded-For $remote_addr; }"
)


def nginx(folder: Path, name: str, location: str, backend: int) -> Server:
    folder.mkdir()
    port = free_port()
    text = NGINX.format(folder=folder, port=port, backend=backend, location=location)
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    return Server(name, command, f"http://127.0.0.1:{port}{PATH}", HEADERS)


def gateway(folder: Path, backend: int) -> Server:
    folder.mkdir()
    backends = [{"revision": 1, "url": f"http://127.0.0.1:{backend}", "weight": 100}]
    services = {"benchmark": {"backends": backends, "reason": ""}}
    (folder / ROUTES_FILE).write_text(json.dumps({"version": 1, "services": services}))
    port = free_port()
    command = [sys.executable, "-m", "serving", "gateway", "--run-dir", str(folder)]
    url = f"http://127.0.0.1:{port}{PATH}"
    return Server("gateway", [*command, "--port", str(port)], url, HEADERS)


def run(
    folder: Path, clients: list[int], seconds: float, rounds: int
) -> dict[int, dict[str, Result]]:
    """Start everything, measure in alternating rounds, and return the middle of each."""
    backend = nginx(folder / "backend", "direct", ANSWERS.format(answer=ANSWER), 1)
    behind = int(backend.url.split(":")[2].split("/")[0])
    relays = [nginx(folder / "nginx", "nginx", RELAYS, behind), gateway(folder / "run", behind)]
    servers = [backend, *relays]
    try:
        for server in servers:
            server.start(BODY)
        found: dict[int, dict[str, list[Result]]] = {n: {} for n in clients}
        for _ in range(rounds):
            for count in clients:
                for server in servers:
                    result = measure(server.url, HEADERS, BODY, count, seconds, folder)
                    found[count].setdefault(server.name, []).append(result)
    finally:
        for server in reversed(servers):
            server.stop()
    return {n: {name: _middle(results) for name, results in of.items()} for n, of in found.items()}


def _middle(results: list[Result]) -> Result:
    parts = zip(*[(one.rate, one.p50, one.p99) for one in results], strict=True)
    return Result(*(statistics.median(part) for part in parts))


def section(seconds: float) -> tuple[list[Goal], str]:
    """Measure, and return the goals and a Markdown section."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user when started as root
        found = run(folder, [1, 64], seconds, rounds=3)
    alone, full = found[1], found[64]
    added = alone["gateway"].p50 - alone["direct"].p50
    share = full["gateway"].rate / full["nginx"].rate
    goals = [
        Goal(
            "gateway", "added p50 in ms, 1 client", "the backend direct", added, MOST_MS, most=True
        ),
        Goal("gateway", "requests/s, 64 clients", "Debian's nginx", share, LEAST_RATE),
    ]
    return goals, f"## Gateway\n\n{INTRODUCTION}\n\n{_table(found)}"


def _table(found: dict[int, dict[str, Result]]) -> str:
    lines = ["| | clients | requests/s | p50, ms |", "| --- | --- | --- | --- |"]
    for clients, of in found.items():
        for name, result in of.items():
            lines.append(f"| {name} | {clients} | {result.rate:,.0f} | {result.p50:.3f} |")
    return "\n".join(lines)
