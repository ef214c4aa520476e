"""The Test tab's call through the gateway: what is sent, what is shown."""

from __future__ import annotations

import dataclasses
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.urls import reverse

from deployments.access.keys import plain_key
from deployments.scoring import MAX_ANSWER_BYTES, score
from deployments.selectors import scoring_uri
from tests.deploy_pages.html import Page
from tests.serving.certificates import write_certificate
from workspaces.errors import Unavailable


class Gateway(ThreadingHTTPServer):
    """Answers every POST with `reply` and remembers the request."""

    reply: tuple[int, bytes] = (200, b'{"predictions": [1.5]}')
    seen: list[tuple[str, dict[str, str], bytes]]


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    class Handler(BaseHTTPRequestHandler):
        server: Gateway

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            self.server.seen.append((self.path, headers, body))
            status, reply = self.server.reply
            self.send_response(status)
            self.send_header("x-request-id", "abc-123")
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            pass

    server = Gateway(("127.0.0.1", 0), Handler)
    server.seen = []
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, gateway_port=server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_it_calls_the_scoring_uri_with_the_studios_key(service, gateway) -> None:
    result = score(service, b'{"inputs": [1]}')
    [(path, headers, body)] = gateway.seen
    assert path == "/api/v1/service/diabetes-v1/score"
    assert headers["authorization"] == f"Bearer {plain_key(service, 'studio')}"
    assert headers["x-slipway-caller"] == "test"
    assert body == b'{"inputs": [1]}'
    assert (result.status, result.request_id, result.ok) == (200, "abc-123", True)


@pytest.mark.parametrize("shown", ["its own", "another"])
def test_over_tls_the_gateway_must_show_its_own_certificate(
    service, gateway, settings, tmp_path, shown
) -> None:
    expected = write_certificate(tmp_path, "gateway")
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, gateway_tls=expected)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if shown == "another":
        (tmp_path / "other").mkdir()
        context.load_cert_chain(*write_certificate(tmp_path / "other", "gateway"))
    else:
        context.load_cert_chain(*expected)
    gateway.socket = context.wrap_socket(gateway.socket, server_side=True)

    if shown == "another":
        with pytest.raises(Unavailable):
            score(service, b"{}")
    else:
        assert score(service, b"{}").status == 200
    assert scoring_uri(service).startswith("https://")


def test_send_shows_status_time_and_answer(ada, service, model, gateway) -> None:
    address = reverse("deployments:service-score", args=["diabetes-v1"])
    answer = ada.post(address, {"editor": "form", "column-0": "0.5", "column-1": "Ulm"})
    page = Page(answer)
    assert "200" in page.one("div", class_="answer-line").text
    assert "ms" in page.one("span", class_="big").text
    assert "1.5" in page.one("code", id="answer-body").text
    assert json.loads(gateway.seen[0][2])["dataframe_split"]["data"] == [[0.5, "Ulm"]]


def test_an_error_of_the_service_is_shown_as_it_is(ada, service, model, gateway) -> None:
    gateway.reply = (400, b'{"message": "age <b>is</b> missing"}')
    address = reverse("deployments:service-score", args=["diabetes-v1"])
    page = Page(ada.post(address, {"editor": "json", "body": "{}"}))
    assert "400" in page.one("div", class_="answer-line").text
    assert "age <b>is</b> missing" in page.one("code", id="answer-body").text


def test_an_answer_without_end_is_cut(service, gateway) -> None:
    gateway.reply = (200, b"x" * (MAX_ANSWER_BYTES + 10))
    result = score(service, b"{}")
    assert result.truncated
    assert len(result.body) == MAX_ANSWER_BYTES


def test_bytes_that_are_no_text_are_not_printed(service, gateway) -> None:
    gateway.reply = (200, b"\xff\xfe\x00")
    assert "3 bytes" in score(service, b"{}").text


def test_a_gateway_that_is_away_is_said_in_words(ada, service, settings, free_port, model) -> None:
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, gateway_port=free_port)
    with pytest.raises(Unavailable, match="does not answer"):
        score(service, b"{}")
    address = reverse("deployments:service-score", args=["diabetes-v1"])
    answer = ada.post(address, {"editor": "json", "body": "{}"})
    assert answer.status_code == 200
    assert "The gateway does not answer" in Page(answer).one("div", role="alert").text
