"""Bodies pass through the gateway as they come, both ways, and it keeps none of them."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from tests.serving.backends import GatewayProcess, read_all, unused_port
from tests.serving.raw_backend import RawBackend, RawConnection
from tests.serving.replica import wait_until

Raw = Callable[[Callable[[RawConnection], None]], RawBackend]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PATH = b"/api/v1/service/iris/score"
GET = b"GET " + PATH + b" HTTP/1.1\r\nHost: x\r\n"
POST = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n"
LAST = b"Connection: close\r\n"
MEGABYTE = 1024 * 1024


def answering(answer: bytes, *, close: bool = False) -> Callable[[RawConnection], None]:
    """A backend that gives the same answer to every request."""

    def talk(connection: RawConnection) -> None:
        while True:
            connection.request()
            connection.say(answer)
            if close:
                return

    return talk


def to(process: GatewayProcess, backend: RawBackend) -> GatewayProcess:
    process.route(iris=[(backend.url, 100)])
    return process


def resident(gateway: GatewayProcess) -> int:
    return int(psutil.Process(gateway.process.pid).memory_info().rss)


def test_parts_of_an_answer_arrive_when_they_are_sent(process: GatewayProcess, raw: Raw) -> None:
    seen = threading.Event()

    def talk(connection: RawConnection) -> None:
        connection.request()
        connection.say(CHUNKED + b"5\r\nfirst\r\n")
        assert seen.wait(10)
        connection.say(b"6\r\nsecond\r\n0\r\n\r\n")

    with requests.get(to(process, raw(talk)).path("score"), stream=True, timeout=10) as answer:
        parts = answer.iter_content(None)
        assert next(parts) == b"first"
        seen.set()
        assert next(parts) == b"second"


def test_parts_of_a_body_arrive_when_they_are_sent(process: GatewayProcess, raw: Raw) -> None:
    begun = threading.Event()

    def talk(connection: RawConnection) -> None:
        connection.head()
        assert connection.body(12) == b"5\r\nfirst\r\n6\r"
        begun.set()
        assert connection.body(14) == b"\nsecond\r\n0\r\n\r\n"
        connection.say(HEAD + b"Content-Length: 2\r\n\r\nok")

    with to(process, raw(talk)).connect() as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        client.sendall(b"6\r")  # never passed on as it is: chunks are made anew
        time.sleep(0.05)
        client.sendall(b"\nsecond\r\n")
        assert begun.wait(10)
        client.sendall(b"0\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_a_large_answer_to_a_client_that_does_not_read_is_held_back(
    process: GatewayProcess, raw: Raw
) -> None:
    def talk(connection: RawConnection) -> None:
        connection.request()
        connection.say(HEAD + b"Content-Length: %d\r\n\r\n" % (200 * MEGABYTE))
        for _ in range(200):
            connection.say(b"x" * MEGABYTE)

    backend = raw(talk)
    gateway = to(process, backend)
    before = resident(gateway)
    with gateway.connect() as client:
        client.sendall(GET + LAST + b"\r\n")
        wait_until(lambda: backend.connections and backend.connections[0].sent, "it began", 10)
        time.sleep(0.5)
        held = backend.connections[0].sent
        time.sleep(0.2)

        assert backend.connections[0].sent == held < 40 * MEGABYTE  # what kernels buffer
        assert resident(gateway) - before < 10 * MEGABYTE

        size = 0
        while block := client.recv(MEGABYTE):
            size += len(block)
    assert 200 * MEGABYTE < size < 200 * MEGABYTE + 1000
    assert resident(gateway) - before < 10 * MEGABYTE


def test_a_large_body_to_a_backend_that_does_not_read_is_held_back(
    process: GatewayProcess, raw: Raw
) -> None:
    go_on = threading.Event()
    counted: list[int] = []

    def talk(connection: RawConnection) -> None:
        connection.head()
        assert go_on.wait(20)
        counted.append(sum(len(connection.body(MEGABYTE)) for _ in range(100)))
        connection.say(HEAD + b"Content-Length: 2\r\n\r\nok")

    backend = raw(talk)
    process.route(extra={"max_body_bytes": 200 * MEGABYTE}, iris=[(backend.url, 100)])
    before = resident(process)
    with process.connect() as client:
        client.sendall(POST + LAST + b"Content-Length: %d\r\n\r\n" % (100 * MEGABYTE))
        client.setblocking(False)
        block, sent, still = b"x" * MEGABYTE, 0, 0
        while still < 20:  # until nobody takes any more
            try:
                sent, still = sent + client.send(block), 0
            except BlockingIOError:
                time.sleep(0.02)
                still += 1
        assert sent < 40 * MEGABYTE
        assert resident(process) - before < 10 * MEGABYTE

        go_on.set()
        client.setblocking(True)
        while sent < 100 * MEGABYTE:
            sent += client.send(block[: 100 * MEGABYTE - sent])
        assert b"200 OK" in read_all(client)
    assert counted == [100 * MEGABYTE]
    assert resident(process) - before < 10 * MEGABYTE


def test_an_answer_that_ends_with_its_connection_is_whole(
    process: GatewayProcess, raw: Raw
) -> None:
    backend = raw(answering(HEAD + b"\r\nto the end", close=True))

    answer = requests.get(to(process, backend).path("score"), timeout=10)

    assert (answer.status_code, answer.text) == (200, "to the end")


def test_an_old_client_gets_no_chunks(process: GatewayProcess, raw: Raw) -> None:
    def talk(connection: RawConnection) -> None:
        connection.request()
        connection.say(CHUNKED + b"5\r\nfirst\r\n")
        time.sleep(0.1)
        connection.say(b"6\r\nsecond\r\n0\r\n\r\n")

    answer = to(process, raw(talk)).ask(b"GET " + PATH + b" HTTP/1.0\r\n\r\n")

    assert b"chunked" not in answer.lower()
    assert answer.endswith(b"\r\n\r\nfirstsecond")


@pytest.mark.parametrize(
    "answer", [CHUNKED + b"5\r\nfirst\r\n", HEAD + b"Content-Length: 99999\r\n\r\nx"]
)
def test_an_answer_that_breaks_off_late_is_seen_as_broken(
    process: GatewayProcess, raw: Raw, answer: bytes
) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(to(process, raw(answering(answer, close=True))).path("score"), timeout=10)


def test_a_short_answer_that_breaks_off_is_a_503(process: GatewayProcess, raw: Raw) -> None:
    backend = raw(answering(HEAD + b"Content-Length: 10\r\n\r\nhalf", close=True))

    answer = requests.get(to(process, backend).path("score"), timeout=10)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"\x00\x01\x02\x03",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_a_502(
    process: GatewayProcess, raw: Raw, answer: bytes
) -> None:
    found = requests.get(to(process, raw(answering(answer))).path("score"), timeout=10)

    assert found.status_code == 502
    assert found.json()["code"] == "BadGateway"


def test_early_hints_are_passed_over(process: GatewayProcess, raw: Raw) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2
    answer = requests.get(
        to(process, raw(answering(hints + HEAD + b"Content-Length: 2\r\n\r\nok"))).path("score"),
        timeout=10,
    )

    assert (answer.status_code, answer.text) == (200, "ok")
    assert "link" not in answer.headers


def test_answers_without_a_body_leave_the_connection_in_order(
    process: GatewayProcess, raw: Raw
) -> None:
    answers = [
        ("HEAD", HEAD + b"Content-Length: 500\r\n\r\n", 200),
        ("HEAD", CHUNKED, 200),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n", 304),
        ("GET", HEAD + b"Content-Length: 0\r\n\r\n", 200),
        ("GET", HEAD + b"Content-Length: 4\r\n\r\nlast", 200),
    ]
    left = iter(answers)

    def talk(connection: RawConnection) -> None:
        while True:
            connection.request()
            connection.say(next(left)[1])

    gateway = to(process, raw(talk))
    client = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    for method, _, status in answers:
        client.request(method, "/api/v1/service/iris/score")
        answer = client.getresponse()
        body = answer.read()
        assert answer.status == status
        assert body == (b"last" if (method, status) == ("GET", 200) and body else b"")
    assert body == b"last"
    client.close()


def test_a_connection_that_says_more_than_it_was_asked_is_not_used_again(
    process: GatewayProcess, raw: Raw
) -> None:
    """Else the surplus would be another client's answer."""
    answer = HEAD + b"Content-Length: 2\r\n\r\nok"
    backend = raw(answering(answer + answer.replace(b"ok", b"no")))
    gateway = to(process, backend)

    with requests.Session() as client:
        texts = [client.get(gateway.path("score"), timeout=10).text for _ in range(5)]

    assert texts == ["ok"] * 5
    assert len(backend.connections) == 5


def test_100_continue_comes_when_a_backend_is_there(process: GatewayProcess, raw: Raw) -> None:
    gateway = to(process, raw(answering(HEAD + b"Content-Length: 2\r\n\r\nok")))
    expecting = POST + LAST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with gateway.connect() as client:
        client.sendall(expecting)
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert read_all(client).endswith(b"ok")

    gateway.route(iris=[(f"http://127.0.0.1:{unused_port()}", 100)])
    with gateway.connect() as client:
        client.sendall(expecting)
        assert client.recv(1000).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("part", [b"", CHUNKED + b"5\r\nfirst\r\n"])
def test_a_client_that_leaves_takes_its_request_along(
    process: GatewayProcess, raw: Raw, part: bytes
) -> None:
    def talk(connection: RawConnection) -> None:
        connection.request()
        connection.say(part)
        connection.until_gone()

    backend = raw(talk)
    with to(process, backend).connect() as client:
        client.sendall(GET + b"\r\n")
        wait_until(lambda: backend.connections, "it arrived", 10)
        if part:
            assert client.recv(10)
    assert backend.connections[0].is_gone.wait(5)


def test_an_answer_above_the_limit_is_refused_or_cut(tmp_path: Path, raw: Raw) -> None:
    gateway = GatewayProcess(tmp_path, unused_port(), "--max-answer-bytes", "100000")
    try:
        to(gateway, raw(answering(HEAD + b"Content-Length: 100001\r\n\r\n" + b"x" * 100_001)))
        answer = requests.get(gateway.path("score"), timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (502, "AnswerTooLarge")

        def talk(connection: RawConnection) -> None:
            connection.request()
            connection.say(CHUNKED)
            for _ in range(11):
                connection.say(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
                time.sleep(0.02)

        to(gateway, raw(talk))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(gateway.path("score"), timeout=10)
    finally:
        gateway.stop()


def test_a_client_that_pipelines_and_never_reads_is_held_back(
    process: GatewayProcess, raw: Raw
) -> None:
    backend = raw(answering(HEAD + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000))
    gateway = to(process, backend)
    before = resident(gateway)
    with gateway.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        still, left = 0, b""
        while still < 20:
            left = left or (GET + b"\r\n") * 500
            try:
                left = left[client.send(left) :]
                still = 0
            except BlockingIOError:
                time.sleep(0.02)
                still += 1
        assert resident(gateway) - before < 15 * MEGABYTE
