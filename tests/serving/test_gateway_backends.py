"""Which backend gets a request: shares, changes under way, and what may be sent again."""

from __future__ import annotations

import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from serving import contract
from tests.serving.backends import EchoServer, GatewayProcess, read_all, unused_port
from tests.serving.raw_backend import RawBackend, RawConnection
from tests.serving.replica import wait_until

Raw = Callable[[Callable[[RawConnection], None]], RawBackend]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /api/v1/service/iris/score HTTP/1.1\r\nHost: x\r\n\r\n"


def post(process: GatewayProcess, times: int) -> list[int]:
    with requests.Session() as client:
        return [client.post(process.path("score"), json=[1]).status_code for _ in range(times)]


@pytest.mark.parametrize("weights", [(80, 20), (50, 50), (99, 1), (34, 33, 33)])
def test_of_a_hundred_requests_each_backend_gets_its_percent(
    process: GatewayProcess, server: Callable[[str], EchoServer], weights: tuple[int, ...]
) -> None:
    echoes = [server(str(weight)) for weight in weights]
    process.route(iris=[(echo.url, weight) for echo, weight in zip(echoes, weights, strict=True)])

    assert set(post(process, 100)) == {200}

    assert tuple(len(echo.seen) for echo in echoes) == weights


def test_shares_are_mixed_not_in_blocks(
    process: GatewayProcess, server: Callable[[str], EchoServer]
) -> None:
    most, some = server("most"), server("some")
    process.route(iris=[(most.url, 80), (some.url, 20)])

    names = [requests.get(process.path("score")).json()["backend"] for _ in range(20)]

    assert [names[start : start + 5].count("some") for start in (0, 5, 10, 15)] == [1] * 4


def test_a_new_document_does_not_begin_the_round_again(
    process: GatewayProcess, server: Callable[[str], EchoServer]
) -> None:
    first, second = server("first"), server("second")
    names = []
    for _ in range(6):
        process.route(iris=[(first.url, 50), (second.url, 50)])
        names.append(requests.get(process.path("score")).json()["backend"])

    assert Counter(names) == {"first": 3, "second": 3}


class Closing:
    """A backend that answers once and closes without having said so."""

    def __init__(self, raw: Raw, how: str) -> None:
        self.how, self.closed = how, threading.Semaphore(0)
        self.url = raw(self._talk).url

    def _talk(self, connection: RawConnection) -> None:
        connection.request()
        connection.say(OK)
        if self.how == "reset":
            option = struct.pack("ii", 1, 0)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        connection.socket.close()
        self.closed.release()


@pytest.mark.parametrize("how", ["at once", "reset"])
def test_an_idle_connection_that_the_backend_closed_loses_no_request(
    process: GatewayProcess, raw: Raw, how: str
) -> None:
    """The next request comes when it is closed, before or after the gateway has noticed.

    One that comes between the answer and the end may have been read, and is refused (below).
    """
    backends = [Closing(raw, how) for _ in range(4)]
    process.route(**{f"iris-{n}": [(one.url, 100)] for n, one in enumerate(backends)})

    def statuses(number: int) -> list[int]:
        found = []
        url = process.path("score", f"iris-{number}")
        with requests.Session() as client:
            for _ in range(75):
                found.append(client.post(url, json=[1]).status_code)
                assert backends[number].closed.acquire(timeout=30)
        return found

    with ThreadPoolExecutor(4) as pool:
        found = [status for part in pool.map(statuses, range(4)) for status in part]

    assert Counter(found) == {200: 300}


def test_what_the_backend_took_in_is_not_sent_again(process: GatewayProcess, raw: Raw) -> None:
    """It read the second request of a connection, and died: nobody knows how far it got."""
    read: list[bytes] = []

    def talk(connection: RawConnection) -> None:
        read.append(connection.request())
        connection.say(OK)
        read.append(connection.request())

    process.route(iris=[(raw(talk).url, 100)])

    assert post(process, 2) == [200, 503]
    assert read == [b"[1]"] * 2


def test_what_the_backend_took_in_and_did_not_read_is_not_sent_again(
    process: GatewayProcess, raw: Raw
) -> None:
    """Its kernel had it, so the program could have."""

    def talk(connection: RawConnection) -> None:
        connection.request()
        connection.say(OK)
        if connection is backend.connections[0]:
            time.sleep(0.3)  # the second request arrives and is not read

    backend = raw(talk)
    process.route(iris=[(backend.url, 100)])

    assert post(process, 2) == [200, 503]
    assert len(backend.connections) == 1


def test_something_that_accepts_and_closes_does_not_go_on_for_ever(
    process: GatewayProcess, raw: Raw
) -> None:
    """As a container's port does while nothing listens inside."""
    backend = raw(lambda connection: None)
    process.route(iris=[(backend.url, 100)])

    answer = requests.post(process.path("score"), json=[1], timeout=10)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert len(backend.connections) <= 2


def test_a_backend_that_cannot_be_connected_to_is_tried_last_for_a_while(
    process: GatewayProcess, echo: EchoServer
) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.socket() for _ in range(3)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        process.route(iris=[(f"http://127.0.0.1:{full.getsockname()[1]}", 99), (echo.url, 1)])
        started = time.monotonic()
        found = post(process, 20)
        for one in held:
            one.close()

    assert found == [200] * 20
    assert time.monotonic() - started < 4  # one connect timeout, not twenty


def test_a_request_under_way_survives_its_backend_leaving_the_routes(
    process: GatewayProcess, server: Callable[[str], EchoServer]
) -> None:
    old, new = server("old"), server("new")
    process.route(iris=[(old.url, 100)])
    answers: list[Any] = []
    slow = threading.Thread(
        target=lambda: answers.append(requests.get(process.path("v2/slow"), timeout=10))
    )
    slow.start()
    wait_until(lambda: "/v2/slow" in old.seen, "it is under way", 5)

    process.route(iris=[(new.url, 100)])
    assert requests.get(process.path("score"), timeout=10).json()["backend"] == "new"
    slow.join()

    assert [answer.text for answer in answers] == ["slow"]


def test_idle_connections_to_a_backend_that_left_are_closed(
    process: GatewayProcess, raw: Raw, echo: EchoServer
) -> None:
    def talk(connection: RawConnection) -> None:
        connection.request()
        connection.say(OK)
        connection.until_gone()

    backend = raw(talk)
    process.route(iris=[(backend.url, 100)])
    assert post(process, 1) == [200]

    process.route(iris=[(echo.url, 100)])

    assert backend.connections[0].is_gone.wait(5)


def test_connections_to_a_backend_are_kept_and_used_again(
    process: GatewayProcess, raw: Raw
) -> None:
    def talk(connection: RawConnection) -> None:
        while True:
            connection.request()
            connection.say(OK)

    backend = raw(talk)
    process.route(iris=[(backend.url, 100)])

    assert set(post(process, 50)) == {200}
    assert len(backend.connections) == 1


def test_routes_switched_under_load_lose_nothing(
    process: GatewayProcess, server: Callable[[str], EchoServer]
) -> None:
    pair = [server("one"), server("two")]
    process.route(iris=[(pair[0].url, 100)])
    stop = threading.Event()
    found: Counter[int] = Counter()

    def ask() -> None:
        with requests.Session() as client:
            while not stop.is_set():
                found[client.post(process.path("score"), json=[1], timeout=10).status_code] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        process.route(iris=[(pair[turn % 2].url, 100)])
    stop.set()
    for thread in threads:
        thread.join()

    assert set(found) == {200}


def test_sigterm_closes_idle_connections_and_finishes_the_others(
    tmp_path: Path, echo: EchoServer
) -> None:
    gateway = GatewayProcess(tmp_path, unused_port())
    try:
        gateway.route(iris=[(echo.url, 100)])
        with gateway.connect() as idle, gateway.connect() as busy:
            idle.sendall(GET)
            assert idle.recv(10000)
            busy.sendall(GET.replace(b"score", b"v2/slow"))
            wait_until(lambda: "/v2/slow" in echo.seen, "it is under way", 5)

            gateway.process.send_signal(signal.SIGTERM)

            assert idle.recv(10) == b""
            answer = read_all(busy)
        assert b"connection: close" in answer
        assert answer.endswith(b"slow")
        assert gateway.process.wait(10) == contract.EXIT_OK
    finally:
        gateway.stop()


def test_a_request_sent_as_the_gateway_ends_is_answered(tmp_path: Path, echo: EchoServer) -> None:
    gateway = GatewayProcess(tmp_path, unused_port())
    try:
        gateway.route(iris=[(echo.url, 100)])
        with gateway.connect() as idle:
            idle.sendall(GET)
            assert idle.recv(10000)
            gateway.process.send_signal(signal.SIGTERM)
            wait_until(lambda: _refuses(gateway), "it accepts no more", 5)

            idle.sendall(GET)
            answer = read_all(idle)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert gateway.process.wait(10) == contract.EXIT_OK
    finally:
        gateway.stop()


def _refuses(gateway: GatewayProcess) -> bool:
    try:
        gateway.connect().close()
    except ConnectionError:
        return True
    return False


def test_a_restarted_gateway_serves_the_routes_it_finds(tmp_path: Path, echo: EchoServer) -> None:
    port = unused_port()
    first = GatewayProcess(tmp_path, port)
    first.route(iris=[(echo.url, 100)])
    first.process.kill()
    first.process.wait(10)

    second = GatewayProcess(tmp_path, port)
    try:
        assert requests.get(second.path("score"), timeout=10).status_code == 200
        assert second.applied() == {"version": 1, "pid": second.process.pid}
    finally:
        second.stop()
