"""`python -m benchmarks.gateway`: our gateway beside Debian's nginx, before the same backend.

One row of JSON is posted by wrk over 1 and over 64 connections: to the backend itself, through
nginx (one worker, keep-alive to its upstream) and through the gateway. The backend is an nginx that
answers at once, so what is measured is the relay. Rounds alternate; the middle one counts.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks.servers import Server, free_port
from serving.contract import GATEWAY_PREFIX, ROUTES_FILE

BODY = json.dumps({"dataframe_split": {"columns": list("abcdefghij"), "data": [[0.05] * 10]}})
ANSWER = '{"predictions": [152.13]}'
PATH = f"{GATEWAY_PREFIX}benchmark/score"
HEADERS = {"content-type": "application/json", "authorization": "Bearer benchmark"}
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


@dataclass(frozen=True)
class Result:
    """Requests per second, and milliseconds of the middle request."""

    rate: float
    p50: float


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


def wrk(server: Server, script: Path, clients: int, seconds: int) -> Result:
    """Measure with wrk; raises RuntimeError when an answer was no 200."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", str(script)]
    done = subprocess.run(
        [*command, server.url], capture_output=True, text=True, timeout=seconds + 60, check=True
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{server.name}: {done.stdout}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p50 = re.search(r"50%\s+([\d.]+)(us|ms|s)", done.stdout)
    assert rate is not None
    assert p50 is not None
    factor = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p50[2]]
    return Result(float(rate[1]), float(p50[1]) * factor)


def run(
    folder: Path, clients: list[int], seconds: int, rounds: int
) -> dict[int, dict[str, Result]]:
    """Start everything, measure in alternating rounds, and return the middle of each."""
    script = folder / "post.lua"
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in HEADERS.items())
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{BODY}'\n{headers}")
    backend = nginx(folder / "backend", "direct", ANSWERS.format(answer=ANSWER), 1)
    behind = int(backend.url.split(":")[2].split("/")[0])
    relays = [nginx(folder / "nginx", "nginx", RELAYS, behind), gateway(folder / "run", behind)]
    servers = [backend, *relays]
    try:
        for server in servers:
            server.start(BODY.encode())
        found: dict[int, dict[str, list[Result]]] = {n: {} for n in clients}
        for _ in range(rounds):
            for count in clients:
                for server in servers:
                    result = wrk(server, script, count, seconds)
                    found[count].setdefault(server.name, []).append(result)
    finally:
        for server in reversed(servers):
            server.stop()
    return {n: {name: _middle(results) for name, results in of.items()} for n, of in found.items()}


def _middle(results: list[Result]) -> Result:
    rates, times = [one.rate for one in results], [one.p50 for one in results]
    return Result(statistics.median(rates), statistics.median(times))


def report(found: dict[int, dict[str, Result]], out: TextIO) -> bool:
    """Print the table and the ratios; returns whether the goals that were measured are met."""
    out.write(f"{'':10}{'clients':>8}{'requests/s':>12}{'p50 ms':>9}{'+ms':>8}{'/ nginx':>9}\n")
    met = True
    for clients, of in found.items():
        for name, result in of.items():
            added, share = result.p50 - of["direct"].p50, result.rate / of["nginx"].rate
            out.write(
                f"{name:10}{clients:>8}{result.rate:>12.0f}{result.p50:>9.3f}"
                f"{added:>8.3f}{share:>9.2f}\n"
            )
        ours = of["gateway"]
        if clients == 1:
            met = met and ours.p50 - of["direct"].p50 <= MOST_MS
        if clients == 64:
            met = met and ours.rate / of["nginx"].rate >= LEAST_RATE
    goals = f"+ {MOST_MS} ms at 1 client, {LEAST_RATE} of nginx at 64"
    out.write(f"Goals ({goals}): {'met' if met else 'NOT met'}.\n")
    return met


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gateway", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="per measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 64])
    options = parser.parse_args()
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing:
        print(f"Skipped: {' and '.join(missing)} not found (Debian: nginx-light, wrk).")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user when started as root
        found = run(folder, options.clients, options.seconds, options.rounds)
    report(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
