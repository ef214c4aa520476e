"""The gateway under load for long, while what stands behind it dies and changes."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.serving import counting_load
from tests.serving.backends import ROOT, GatewayProcess, unused_port
from tests.serving.replica import wait_until

SECONDS = 60
CLIENTS = 8  # that check each answer, beside wrk's 256 connections

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(SECONDS + 120),
    pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (Debian: wrk)"),
]


class Killable:
    """A backend that can be killed and comes back on the same port."""

    def __init__(self, name: str) -> None:
        self.name, self.port = name, unused_port()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.serving.echo_process", str(self.port), self.name]
        self.process = subprocess.Popen(command, cwd=ROOT)
        wait_until(self._listens, f"{self.name} listens", 20)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def pair() -> Iterator[list[Killable]]:
    made = [Killable("one"), Killable("two")]
    yield made
    for one in made:
        one.kill()


def check_answers(
    gateway: GatewayProcess, name: int, stop: threading.Event, found: Counter[str]
) -> None:
    """Ask for what nobody else asks for, and count what is no answer to it."""
    client = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    number = 0
    while not stop.is_set():
        number += 1
        body = f"client {name} request {number} ".encode() * (1 + number % 50)
        client.request("POST", "/api/v1/service/iris/score", body)
        answer = client.getresponse()
        text = answer.read()
        if answer.status == 200:
            found["right" if text == body else "wrong"] += 1
        else:
            known = answer.status == 503 and answer.headers["retry-after"]
            found["try again" if known else f"{answer.status}: {text!r}"] += 1
    client.close()


def test_backends_die_and_change_under_256_connections(
    tmp_path: Path, pair: list[Killable]
) -> None:
    gateway = GatewayProcess(tmp_path, unused_port())
    memory: list[int] = []
    found: Counter[str] = Counter()
    stop = threading.Event()
    try:
        gateway.route(iris=[(pair[0].url, 50), (pair[1].url, 50)])
        body = "x" * 200
        load = counting_load.start(gateway.path("score"), body, body, tmp_path, SECONDS)
        threads = [
            threading.Thread(target=check_answers, args=(gateway, name, stop, found))
            for name in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        end, turn = time.monotonic() + SECONDS - 2, 0
        while time.monotonic() < end:
            turn += 1
            victim, other = pair[turn % 2], pair[(turn + 1) % 2]
            time.sleep(1)
            gateway.route(iris=[(victim.url, 80), (other.url, 20)])
            time.sleep(1)
            victim.kill()
            victim.start()
            gateway.route(iris=[(other.url, 100)])
            memory.append(psutil.Process(gateway.process.pid).memory_info().rss)
        stop.set()
        for thread in threads:
            thread.join(30)
        told = load.communicate(timeout=60)[0]
    finally:
        stop.set()
        gateway.stop()

    counted = counting_load.counted(told)
    print(counted, found, [size // 1_000_000 for size in memory])
    assert counted["ok"] > 1000
    assert counted["wrong"] == 0
    assert "Socket errors" not in told
    assert set(found) <= {"right", "try again"}
    assert found["right"] > 100
    assert max(memory[2:], default=0) - memory[1] < 20_000_000
    assert "traceback" not in gateway.log.read_text()
