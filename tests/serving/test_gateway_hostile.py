"""What strangers send: nothing of it harms the gateway, a neighbour, or the next request."""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.serving.backends import EchoServer, GatewayProcess, read_all, unused_port

PATH = b"/api/v1/service/iris/score"
GET = b"GET " + PATH + b" HTTP/1.1\r\nHost: x\r\n"
POST = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n"
LAST = b"Connection: close\r\n"


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.fixture
def calm(gateway: GatewayProcess, echo: EchoServer) -> Iterator[GatewayProcess]:
    """A gateway that still serves, and has not logged a traceback, after the test."""
    logged = gateway.log.read_text().count("traceback")
    yield gateway
    assert requests.get(gateway.path("score"), timeout=10).status_code == 200
    assert gateway.log.read_text().count("traceback") == logged


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"0\r\n\r\n"),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
        (b"Content-Length: 3, 3\r\n", b"abc"),
        (b"Content-Length: +3\r\n", b"abc"),
        (b"Content-Length: -3\r\n", b"abc"),
        (b"Content-Length: 0x3\r\n", b"abc"),
        (b"Content-Length: 99999999999999999999999\r\n", b"abc"),
        (b"Content-Length : 3\r\n", b"abc"),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n", b"abc"),
        (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"xyz\r\nabc\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabcd\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"3\nabc\n0\n\n"),
        (b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    ],
)
def test_a_body_of_doubtful_length_is_refused_and_ends_the_connection(
    calm: GatewayProcess, echo: EchoServer, headers: bytes, body: bytes
) -> None:
    smuggled = b"GET /api/v1/service/iris/v2/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

    found = statuses(calm.ask(POST + headers + b"\r\n" + body + smuggled))

    assert found in ([400], [501])
    assert "/v2/smuggled" not in echo.seen


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,  # TLS spoken to plain HTTP
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET " + PATH + b"\r\n\r\n",
        b"GET " + PATH + b" HTTP/3.0\r\nHost: x\r\n\r\n",
        b"GET " + PATH + b" HTTP/1.1\nHost: x\n\n",
        b"G\x00T " + PATH + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW " + PATH + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        GET + b"X y: 1\r\n\r\n",
        GET + b": empty\r\n\r\n",
        GET + b"X-Nul: a\x00b\r\n\r\n",
        GET + b"X-Fold: a\r\n b\r\n\r\n",
        GET + b"X-Cr: a\rb\r\n\r\n",
        b"GET " + PATH + b" HTTP/1.1\r\n\r\n",  # no Host
        GET + b"Host: y\r\n\r\n",
        b"GET " + PATH + b"\r\nX: HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/service/iris/v2/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/service/iris/v2/a#b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_400(calm: GatewayProcess, echo: EchoServer, sent: bytes) -> None:
    answer = calm.ask(sent + b"\r\n" * 2)

    assert statuses(answer)[:1] in ([400], [505])
    assert b'"code": ' in answer
    assert echo.seen == []


@pytest.mark.parametrize(
    "method", [b"CONNECT 127.0.0.1:22", b"OPTIONS *", b"GET x", b"GET http://"]
)
def test_targets_that_are_no_path_reach_nobody(
    calm: GatewayProcess, echo: EchoServer, method: bytes
) -> None:
    found = statuses(calm.ask(method + b" HTTP/1.1\r\nHost: x\r\n" + LAST + b"\r\n"))

    assert found in ([400], [404], [405])
    assert echo.seen == []


def test_an_absolute_target_is_routed_by_its_path(calm: GatewayProcess, echo: EchoServer) -> None:
    head = b"GET http://elsewhere.example" + PATH + b"?a=1 HTTP/1.1\r\nHost: x\r\n"

    assert statuses(calm.ask(head + LAST + b"\r\n")) == [200]
    assert echo.seen == ["/score?a=1"]


def test_encoded_line_ends_in_a_path_stay_encoded(calm: GatewayProcess, echo: EchoServer) -> None:
    head = b"GET /api/v1/service/iris/v2/a%0d%0aX-Evil:1 HTTP/1.1\r\nHost: x\r\n"

    answer = calm.ask(head + LAST + b"\r\n")

    assert statuses(answer) == [200]
    assert echo.seen == ["/v2/a%0d%0aX-Evil:1"]
    assert b"x-evil" not in answer.lower().replace(b"%0ax-evil", b"")


@pytest.mark.parametrize(
    "headers",
    [b"X-Long: " + b"a" * 40_000 + b"\r\n", b"X-Many: a\r\n" * 4000, b"Cookie: " + b"a" * 40_000],
)
def test_headers_above_32_kb_are_a_431(calm: GatewayProcess, headers: bytes) -> None:
    assert statuses(calm.ask(GET + headers + b"\r\n\r\n")) == [431]


def test_headers_without_an_end_are_a_431_too(calm: GatewayProcess) -> None:
    with calm.connect() as client:
        client.sendall(GET + b"X-Long: ")
        for _ in range(10):
            client.sendall(b"a" * 10_000)
            time.sleep(0.01)
        assert statuses(read_all(client)) == [431]


def test_a_target_without_an_end_is_a_431(calm: GatewayProcess) -> None:
    with calm.connect() as client:
        client.sendall(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(read_all(client)) == [431]


def test_chunks_that_are_all_extension_end_the_request(calm: GatewayProcess) -> None:
    with calm.connect() as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=")
        for _ in range(20):
            client.sendall(b"y" * 20_000)
            time.sleep(0.005)
        assert statuses(read_all(client)) == [400]


def test_trailers_are_not_headers(calm: GatewayProcess) -> None:
    body = b"3\r\nabc\r\n0\r\nAuthorization: Bearer stolen\r\nX-Trailer: 1\r\n\r\n"

    answer = calm.ask(POST + LAST + b"Transfer-Encoding: chunked\r\n\r\n" + body)

    assert statuses(answer) == [200]
    assert b"stolen" not in answer
    assert b'"length": 3' in answer


def test_pipelined_requests_are_answered_in_their_order(
    calm: GatewayProcess, echo: EchoServer
) -> None:
    paths = [f"/v2/{number}" for number in range(40)]
    sent = b"".join(
        b"POST /api/v1/service/iris%b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
        % path.encode()
        for path in paths[:-1]
    )
    last = f"GET /api/v1/service/iris{paths[-1]} HTTP/1.1\r\nHost: x\r\n".encode()

    answer = calm.ask(sent + last + LAST + b"\r\n")

    assert statuses(answer) == [200] * 40
    assert re.findall(r'"path": "([^"]+)"', answer.decode()) == paths
    assert echo.seen == paths


def test_pipelined_large_bodies_arrive_whole(calm: GatewayProcess) -> None:
    large = POST + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n30d40\r\n" + b"y" * 200_000
    with calm.connect() as client:
        client.sendall(large + chunked + b"\r\n0\r\n\r\n" + large + GET + LAST + b"\r\n")
        answer = read_all(client)

    assert statuses(answer) == [200] * 4
    lengths = [int(size) for size in re.findall(rb'"length": (\d+)', answer)]
    assert lengths == [300_000, 200_000, 300_000, 0]


def test_garbage_after_a_request_does_not_lose_its_answer(calm: GatewayProcess) -> None:
    answer = calm.ask(GET + b"\r\n" + b"\x00garbage\r\n\r\n")

    assert statuses(answer) == [200, 400]


def test_a_request_in_single_bytes_is_understood(calm: GatewayProcess) -> None:
    with calm.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in POST + LAST + b"Content-Length: 5\r\n\r\nhello":
            client.sendall(bytes([byte]))
        answer = read_all(client)

    assert statuses(answer) == [200]
    assert b"hello".hex().encode() in answer


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"\r\n",
    ],
)
@pytest.mark.parametrize("asked", [b"h2c", b"websocket"])
def test_an_upgrade_is_not_taken_up_and_loses_no_body(
    calm: GatewayProcess, asked: bytes, body: bytes
) -> None:
    """Java's HTTP client asks for h2c with its first request, whatever its body."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\nUpgrade: " + asked
    answer = calm.ask(POST + upgrade + b"\r\n" + body + GET + LAST + b"\r\n")

    assert statuses(answer) == [200, 200]
    assert (b'"start": "68656c6c6f"' in answer) == (b"hello" in body)
    assert b"upgrade" not in answer.lower()
    assert b"http2-settings" not in answer.lower()


def test_an_unknown_expectation_is_a_417(calm: GatewayProcess) -> None:
    assert statuses(calm.ask(GET + b"Expect: a-miracle\r\n\r\n")) == [417]


def test_a_truncated_body_reaches_no_model_as_a_whole(
    calm: GatewayProcess, echo: EchoServer
) -> None:
    for size in (100, 300_000):
        with calm.connect() as client:
            client.sendall(POST + b"Content-Length: %d\r\n\r\nshort" % size)
    time.sleep(0.2)

    assert echo.seen == []


def test_random_bytes_harm_nobody(calm: GatewayProcess) -> None:
    source = random.Random(4)
    valid = POST + b"Content-Length: 5\r\nX-A: b\r\n\r\nhello" + GET + b"\r\n"
    for _ in range(150):
        sent = bytearray(valid)
        for _ in range(source.randint(1, 4)):
            sent[source.randrange(len(sent))] = source.randrange(256)
        with calm.connect() as client:
            client.sendall(bytes(sent[: source.randint(1, len(sent))]))
            client.shutdown(socket.SHUT_WR)
            assert set(statuses(read_all(client))) <= {200, 400, 404, 413, 417, 431, 501, 505, 408}


@pytest.fixture(scope="module")
def patience(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway of its own, with little patience."""
    options = ("--head-timeout", "1", "--body-timeout", "1", "--max-connections", "20")
    made = GatewayProcess(tmp_path_factory.mktemp("slow"), unused_port(), *options)
    echo = EchoServer("behind")
    made.route(iris=[(echo.url, 100)])
    yield made
    made.stop()
    echo.shutdown()
    echo.server_close()


@pytest.mark.parametrize(
    "start",
    [
        GET,
        POST + b"Content-Length: 1000\r\n\r\nab",
        POST + b"Content-Length: 100000\r\n\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\nfff\r\nab",
    ],
)
def test_a_drip_of_bytes_is_a_408(patience: GatewayProcess, start: bytes) -> None:
    began = time.monotonic()
    with patience.connect() as client:
        client.sendall(start)
        client.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - began < 8:
            try:
                answer = client.recv(1000)
            except TimeoutError:
                client.sendall(b"x")

    assert statuses(answer) == [408]
    assert time.monotonic() - began < 5


def test_a_connection_that_says_nothing_is_closed(patience: GatewayProcess) -> None:
    with patience.connect() as client:
        assert client.recv(10) == b""


def test_one_connection_too_many_is_told_to_come_again(patience: GatewayProcess) -> None:
    held = [patience.connect() for _ in range(20)]
    answer = patience.ask(GET + b"\r\n")
    for one in held:
        one.close()

    assert statuses(answer) == [503]
    assert b"retry-after: 1" in answer
    assert requests.get(patience.path("score"), timeout=10).status_code == 200


def test_requests_before_any_route_exist_are_404(tmp_path: Path) -> None:
    made = GatewayProcess(tmp_path, unused_port())
    try:
        assert requests.get(made.path("score"), timeout=10).status_code == 404
    finally:
        made.stop()
