"""Two revisions behind the gateway for long: workers die, keys change, traffic moves to and fro."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.serving import counting_load
from tests.serving.backends import GatewayProcess, unused_port
from tests.serving.fuzzing import COLUMNS
from tests.serving.replica import STUDIO_KEY, Replica, wait_until

SECONDS = 60
KILL_EVERY = 5.0
CLIENTS = 6  # that check each answer, beside wrk's 256 connections
GROWTH = 40_000_000  # bytes that a worker's or the gateway's memory may differ by

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(SECONDS + 300),
    pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (Debian: wrk)"),
]


class Keys:
    """The primary and the secondary key of both revisions; one changes, then the other is used."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.replicas, self.version = replicas, 1
        self.values = {"primary": "p1", "secondary": "s1"}
        self.used = "primary"
        self._write()

    def current(self) -> str:
        return self.values[self.used]

    def change(self) -> None:
        """Change the key that nobody uses, wait until it is in force, and use it."""
        other = "secondary" if self.used == "primary" else "primary"
        self.version += 1
        self.values[other] = f"{other}{self.version}"
        self._write()
        self.used = other
        time.sleep(1)  # requests with the other key may still be under way

    def _write(self) -> None:
        keys = {**self.values, "studio": STUDIO_KEY}
        for replica in self.replicas:
            replica.write_keys(self.version, **keys)
        for replica in self.replicas:
            wait_until(lambda r=replica: r.record().get("auth_version") == self.version, "keys", 20)


Model = Callable[[list[float]], float]


def by_hand(folder: Path) -> Model:
    """The linear model as a function of a row."""
    import mlflow.sklearn

    model = mlflow.sklearn.load_model(str(folder))
    weights, intercept = model.coef_.tolist(), float(model.intercept_)
    return lambda row: intercept + sum(a * b for a, b in zip(weights, row, strict=True))


def check_answers(
    port: int, keys: Keys, model: Model, stop: threading.Event, found: Counter[str]
) -> None:
    """Ask for what nobody else asks for, and count what is no answer to it."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    rng = random.Random(threading.get_ident())
    while not stop.is_set():
        row = [rng.uniform(-0.1, 0.1) for _ in COLUMNS]
        body = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [row]}})
        headers = {"authorization": f"Bearer {keys.current()}", "content-type": "application/json"}
        client.request("POST", "/api/v1/service/diabetes/invocations", body, headers)
        answer = client.getresponse()
        text = answer.read()
        if answer.status == 200:
            (prediction,) = json.loads(text)["predictions"]
            found["right" if abs(prediction - model(row)) < 1e-9 else "wrong"] += 1
        else:
            known = answer.status == 503 and answer.headers["retry-after"]
            found["try again" if known else f"{answer.status}: {text!r}"] += 1
    client.close()


def kill_worker(replica: Replica) -> None:
    """Kill one of its workers, as the kernel's own killer would."""
    os.kill(replica.worker_pids()[0], signal.SIGKILL)


def memory(replicas: list[Replica], gateway: GatewayProcess) -> int:
    """Bytes of the gateway, of the masters, and of the youngest worker of each."""
    pids = [gateway.process.pid]
    for replica in replicas:
        assert replica.process is not None
        pids += [replica.process.pid, *replica.worker_pids()[-1:]]
    return sum(psutil.Process(pid).memory_info().rss for pid in pids)


def trouble(pair: list[Replica], gateway: GatewayProcess, keys: Keys) -> list[int]:
    """Kill, change and switch until the load is nearly over; returns memory after each turn."""
    sizes: list[int] = []
    end = time.monotonic() + SECONDS - 3
    while time.monotonic() < end:
        due = time.monotonic() + KILL_EVERY
        first, second = pair[len(sizes) % 2], pair[(len(sizes) + 1) % 2]
        gateway.route(diabetes=[(first.url, 70), (second.url, 30)])
        keys.change()
        kill_worker(first)
        gateway.route(diabetes=[(second.url, 100)])
        time.sleep(max(0.0, due - time.monotonic()))
        sizes.append(memory(pair, gateway))
    return sizes


@pytest.fixture
def pair(diabetes_model: Path, replicas: Callable[..., Replica]) -> list[Replica]:
    """Two revisions of a service, of two workers each."""
    settings = {"workers": 2, "loader": "fast", "batch": True, "max_concurrent": 64}
    return [replicas(diabetes_model, revision=n, **settings).started() for n in (1, 2)]


def test_workers_die_keys_and_revisions_change_under_256_connections(
    tmp_path: Path, diabetes_model: Path, pair: list[Replica]
) -> None:
    keys, model = Keys(pair), by_hand(diabetes_model)
    body = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [[0.01] * 10]}})
    expected = pair[0].post("/invocations", body).text
    (tmp_path / "gateway").mkdir()
    gateway = GatewayProcess(tmp_path / "gateway", unused_port())
    found: Counter[str] = Counter()
    stop = threading.Event()
    try:
        gateway.route(diabetes=[(pair[0].url, 100)])
        headers = {"authorization": f"Bearer {STUDIO_KEY}", "content-type": "application/json"}
        url = gateway.path("invocations", "diabetes")
        load = counting_load.start(url, body, expected, tmp_path, SECONDS, **headers)
        given = (gateway.port, keys, model, stop, found)
        threads = [threading.Thread(target=check_answers, args=given) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        sizes = trouble(pair, gateway, keys)
        stop.set()
        for thread in threads:
            thread.join(60)
        told = load.communicate(timeout=90)[0]
    finally:
        stop.set()
        gateway.stop()

    counted = counting_load.counted(told)
    print(counted, found, [size // 1_000_000 for size in sizes], told)
    assert counted["ok"] > 1000
    assert counted["wrong"] == 0, told
    assert "Socket errors" not in told
    assert set(found) <= {"right", "try again"}
    assert found["right"] > 100
    half = len(sizes) // 2  # single sizes swing: a worker that was just killed has none
    assert max(sizes[half:]) - max(sizes[:half]) < GROWTH
    assert sum(replica.record()["restarts"] for replica in pair) >= 8
    assert "traceback" not in gateway.log.read_text().lower()
