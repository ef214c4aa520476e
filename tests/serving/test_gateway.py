"""The gateway: one stable address per service, whatever stands behind it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from serving import contract
from tests.serving.backends import (
    LIMIT,
    ROOT,
    EchoServer,
    GatewayProcess,
    gateway_command,
    unused_port,
)
from tests.serving.replica import KEY, Replica, wait_until


def headers_of(answer: requests.Response) -> dict[str, str]:
    return dict(answer.json()["headers"])


@pytest.mark.parametrize(
    "rest",
    [
        "score",
        "invocations",
        "ping",
        "health",
        "swagger.json",
        "docs",
        "v2",
        "v2/models/iris/infer",
    ],
)
def test_known_paths_reach_the_service_without_the_prefix(
    gateway: GatewayProcess, rest: str
) -> None:
    answer = requests.get(gateway.path(rest) + "?a=1&b=%20x", timeout=10)

    assert answer.json()["path"] == f"/{rest}?a=1&b=%20x"


@pytest.mark.parametrize(
    "rest",
    [
        "metrics",
        "",
        "version",
        "score/x",
        "v2/../metrics",
        "v2/%2e%2e/metrics",
        "v2/..%2fmetrics",
        "v2//metrics",
        "scorex",
    ],
)
def test_all_other_paths_are_404(gateway: GatewayProcess, echo: EchoServer, rest: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request("GET", f"/api/v1/service/iris/{rest}")
    answer = connection.getresponse()

    assert answer.status == 404
    assert json.loads(answer.read())["code"] == "NotFound"
    assert echo.seen == []
    connection.close()


def test_an_unknown_service_is_a_404_that_names_it(gateway: GatewayProcess) -> None:
    answer = requests.post(gateway.path("score", service="rose"), json={}, timeout=10)

    assert answer.status_code == 404
    assert answer.json() == {"code": "ServiceNotFound", "message": "There is no service 'rose'."}


def test_a_service_without_backends_is_a_503_with_the_reason(process: GatewayProcess) -> None:
    process.route(reason="The service is stopped.", iris=[])

    answer = requests.post(process.path("score"), json={}, timeout=10)

    assert answer.status_code == 503
    assert answer.json()["message"] == "The service is stopped."
    assert int(answer.headers["retry-after"]) > 0


def test_the_gateway_has_a_health_of_its_own(gateway: GatewayProcess) -> None:
    answer = requests.get(f"{gateway.url}/health", timeout=10)

    assert answer.json() == {"state": "ready", "version": gateway.version}
    assert gateway.applied()["pid"] == gateway.process.pid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 99}',
        '{"version": 99, "services": {"iris": {"backends": [{}], "reason": ""}}}',
        '{"version": 99, "services": {"iris": null}}',
    ],
)
def test_a_broken_file_leaves_the_last_routes(gateway: GatewayProcess, text: str) -> None:
    lines = gateway.log.read_text().count("routes.json is broken")
    gateway.write(text)
    wait_until(
        lambda: gateway.log.read_text().count("routes.json is broken") > lines, "it was read", 5
    )

    assert requests.get(gateway.path("score"), timeout=10).status_code == 200
    assert gateway.applied()["version"] == gateway.version


def test_a_missing_file_leaves_the_last_routes(gateway: GatewayProcess) -> None:
    (gateway.run_dir / "routes.json").unlink()
    time.sleep(0.3)  # three looks at the folder

    assert requests.get(gateway.path("score"), timeout=10).status_code == 200


def test_weights_share_the_requests(
    process: GatewayProcess, server: Callable[[str], EchoServer]
) -> None:
    old, new, off = server("old"), server("new"), server("off")
    process.route(iris=[(old.url, 80), (new.url, 20), (off.url, 0)])

    with requests.Session() as session:
        names = [session.get(process.path("score")).json()["backend"] for _ in range(300)]

    counts = Counter(names)
    assert counts["off"] == 0
    assert 25 <= counts["new"] <= 105  # six standard deviations around 60


def test_a_backend_that_refuses_connections_is_passed_over(
    process: GatewayProcess, echo: EchoServer
) -> None:
    process.route(iris=[(f"http://127.0.0.1:{unused_port()}", 99), (echo.url, 1)])

    answers = [requests.post(process.path("score"), json=[1], timeout=10) for _ in range(10)]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["length"] for answer in answers} == {3}


def test_no_backend_to_connect_to_is_a_503(process: GatewayProcess) -> None:
    process.route(iris=[(f"http://127.0.0.1:{unused_port()}", 100)])

    answer = requests.post(process.path("score"), json={}, timeout=10)

    assert answer.status_code == 503
    assert answer.json()["code"] == "ServiceUnavailable"


def test_a_connect_that_gets_no_answer_is_a_503_after_two_seconds(process: GatewayProcess) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.socket() for _ in range(3)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        process.route(iris=[(f"http://127.0.0.1:{full.getsockname()[1]}", 100)])
        started = time.monotonic()
        answer = requests.post(process.path("score"), json={}, timeout=10)
        for one in held:
            one.close()

    assert answer.status_code == 503
    assert 1.5 < time.monotonic() - started < 4


def test_a_request_that_began_is_never_sent_twice(
    process: GatewayProcess, server: Callable[[str], EchoServer]
) -> None:
    one, two = server("one"), server("two")
    process.route(iris=[(one.url, 50), (two.url, 50)])

    answer = requests.post(process.path("v2/die"), json={}, timeout=10)

    assert answer.status_code == 503
    assert answer.json()["code"] == "ServiceUnavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert len(one.seen) + len(two.seen) == 1


def test_an_answer_that_breaks_off_is_seen_as_broken(gateway: GatewayProcess) -> None:
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(gateway.path("v2/cut"), timeout=10)


def test_a_large_answer_comes_whole(gateway: GatewayProcess) -> None:
    assert requests.get(gateway.path("v2/big"), timeout=10).content == b"x" * 3_000_000


def test_head_has_no_body(gateway: GatewayProcess) -> None:
    answer = requests.head(gateway.path("health"), timeout=10)

    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_a_request_id_is_made_or_kept_and_passed(gateway: GatewayProcess) -> None:
    answer = requests.get(gateway.path("score"), timeout=10)
    assert len(answer.headers["x-request-id"]) == 36
    assert headers_of(answer)["x-request-id"] == answer.headers["x-request-id"]

    answer = requests.get(gateway.path("score"), headers={"x-request-id": "mine"}, timeout=10)
    assert headers_of(answer)["x-request-id"] == answer.headers["x-request-id"] == "mine"

    long = requests.get(gateway.path("score"), headers={"x-request-id": "x" * 101}, timeout=10)
    assert long.status_code == 431
    assert long.json()["code"] == "RequestHeaderFieldsTooLarge"


def test_cookies_and_hop_by_hop_headers_stay_behind(gateway: GatewayProcess) -> None:
    sent = {
        "Cookie": "session=secret",
        "Connection": "keep-alive, X-Private",
        "X-Private": "1",
        "TE": "trailers",
        "X-Forwarded-For": "6.6.6.6",
        "Authorization": "Bearer k",
        "X-Kept": "yes",
    }
    answer = requests.get(gateway.path("score"), headers=sent, timeout=10)

    got = headers_of(answer)
    assert not {"cookie", "x-private", "te", "connection", "keep-alive"} & set(got)
    assert (got["authorization"], got["x-kept"]) == ("Bearer k", "yes")
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert got["x-forwarded-proto"] == "http"
    assert got["x-forwarded-host"] == f"127.0.0.1:{gateway.port}"
    assert got["x-forwarded-prefix"] == "/api/v1/service/iris"
    assert not {"set-cookie", "keep-alive"} & {name.lower() for name in answer.headers}
    assert answer.headers["x-own"] == "kept"


@pytest.mark.parametrize("size", [0, 10, 65536, 65537, LIMIT])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_up_to_the_limit_arrive_whole(
    gateway: GatewayProcess, size: int, chunked: bool
) -> None:
    body = b"abcdefgh" * (size // 8) + b"z" * (size % 8)
    sent = (body[i : i + 50_000] for i in range(0, size, 50_000)) if chunked else body

    answer = requests.post(gateway.path("score"), data=sent, timeout=10)

    assert answer.json()["length"] == size
    assert answer.json()["start"] == body[:20].hex()


def test_a_packed_body_passes_as_it_is(gateway: GatewayProcess) -> None:
    import gzip

    packed = gzip.compress(b"x" * 100_000)
    headers = {"Content-Encoding": "gzip"}
    answer = requests.post(gateway.path("score"), data=packed, headers=headers, timeout=10)

    assert answer.json()["start"] == packed[:20].hex()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"])
def test_curl_is_told_413_for_200_mb(
    gateway: GatewayProcess, tmp_path: Path, chunked: bool, expect: str
) -> None:
    body = tmp_path / "body"
    with body.open("wb") as file:
        file.truncate(200_000_000)
    command = ["curl", "-sS", "-o", str(tmp_path / "answer"), "-w", "%{http_code}", "-H", expect]
    command += ["-H", "Transfer-Encoding: chunked"] * chunked
    command += ["-X", "POST", "-T", str(body), gateway.path("score")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout == "413", done.stderr
    assert json.loads((tmp_path / "answer").read_text())["code"] == "PayloadTooLarge"


def test_an_answer_before_the_body_is_read_reaches_the_client(gateway: GatewayProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.putrequest("POST", "/api/v1/service/iris/score")
    connection.putheader("Content-Length", str(LIMIT))
    connection.putheader("x-refuse", "1")
    connection.endheaders()
    connection.send(b"x" * 100_000)

    answer = connection.getresponse()

    assert (answer.status, answer.read()) == (401, b"refused before reading")
    connection.close()
    assert requests.get(gateway.path("score"), timeout=10).status_code == 200


def test_a_client_that_leaves_harms_nobody(gateway: GatewayProcess) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            head = b"POST /api/v1/service/iris/score HTTP/1.1\r\nHost: x\r\n"
            client.sendall(head + b"Content-Length: 500000\r\n\r\n" + b"x" * 1000)

    assert requests.get(gateway.path("score"), timeout=10).status_code == 200
    assert "unexpected error" not in gateway.log.read_text()


def test_sigterm_lets_a_slow_request_finish(tmp_path: Path, echo: EchoServer) -> None:
    gateway = GatewayProcess(tmp_path, unused_port(), max_body_bytes=LIMIT)
    try:
        gateway.route(iris=[(echo.url, 100)])
        answers: list[Any] = []
        slow = threading.Thread(
            target=lambda: answers.append(requests.get(gateway.path("v2/slow"), timeout=10))
        )
        slow.start()
        wait_until(lambda: "/v2/slow" in echo.seen, "it is under way", 5)

        gateway.process.send_signal(signal.SIGTERM)
        slow.join()

        assert [answer.text for answer in answers] == ["slow"]
        assert gateway.process.wait(10) == contract.EXIT_OK
    finally:
        gateway.stop()


def test_a_taken_port_says_so(gateway: GatewayProcess, tmp_path: Path) -> None:
    command = gateway_command(tmp_path, gateway.port)

    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=20, check=False)

    assert done.returncode == contract.EXIT_PORT_TAKEN
    assert not (tmp_path / "gateway.json").exists()


def test_a_real_service_is_scored_through_the_gateway(
    process: GatewayProcess, diabetes: Replica
) -> None:
    process.route(diabetes=[(diabetes.url, 100)])
    body, headers = {"data": [[0.1] * 10]}, {"authorization": f"Bearer {KEY}"}
    score = process.path("score", service="diabetes")

    answer = requests.post(score, json=body, headers=headers, timeout=10)

    assert answer.json() == diabetes.post("/score", body).json()
    assert requests.post(score, json=body, timeout=10).status_code == 401
    assert requests.post(score, json=body, timeout=10).headers["www-authenticate"] == "Bearer"
    metrics = process.path("metrics", service="diabetes")
    assert requests.get(metrics, headers=headers, timeout=10).status_code == 404
