"""Traces: which requests are sampled, and what a real collector receives over OTLP/HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serving.traces import Tracer, parent_of
from tests.serving.replica import Replica, wait_until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Collector:
    """A real OTLP/HTTP receiver; `status` is what it answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.status, self.delay = 200, 0.0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                kind = self.headers["content-type"]
                time.sleep(collector.delay)
                collector.requests.append((self.path, kind, json.loads(body)))
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[dict[str, Any]]:
        return [
            span
            for _, _, document in self.requests
            for resource in document["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def tracer(url: str, sample: float = 1.0) -> Tracer:
    config: Any = {"service": "diabetes", "revision": 3, "replica": 0, "model_name": "diabetes"}
    config |= {"model_version": "7", "trace_endpoint": url, "trace_sample": sample}
    return Tracer(config)


def attributes(holder: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: next(iter(item["value"].values())) for item in holder["attributes"]}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (SAMPLED, (TRACE, PARENT, True)),
        (NOT_SAMPLED, (TRACE, PARENT, False)),
        (f"00-{TRACE}-{PARENT}-03", (TRACE, PARENT, True)),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-adds", (TRACE, PARENT, True)),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_w3c_says(header: str, found: object) -> None:
    assert parent_of(header.encode()) == found


def test_the_callers_decision_goes_before_our_own(collector: Collector) -> None:
    all_of_them, none = tracer(collector.url, 1.0), tracer(collector.url, 0.0)

    assert none.begin("POST", "/score", {b"traceparent": SAMPLED.encode()}) is not None
    assert all_of_them.begin("POST", "/score", {b"traceparent": NOT_SAMPLED.encode()}) is None
    assert all_of_them.begin("POST", "/score", {}) is not None
    assert none.begin("POST", "/score", {}) is None
    for made in (all_of_them, none):
        made.close()


def test_about_the_asked_share_is_sampled(collector: Collector) -> None:
    made = tracer(collector.url, 0.1)
    sampled = sum(made.begin("POST", "/score", {}) is not None for _ in range(10_000))
    made.close()

    assert 800 < sampled < 1200


def test_a_collector_that_fails_or_is_gone_loses_traces_and_nothing_else(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 503
    refused, gone = tracer(collector.url), tracer("http://127.0.0.1:9")
    for made in (refused, gone):
        span = made.begin("POST", "/score", {})
        assert span is not None
        made.end(span, 200, "client", "its-id")
        made.close(10)

    assert sum("traces lost" in message for message in caplog.messages) == 2


def test_a_slow_collector_holds_up_nobody(collector: Collector) -> None:
    collector.delay = 8
    made = tracer(collector.url)
    started = time.monotonic()
    for _ in range(20_000):
        span = made.begin("POST", "/score", {})
        assert span is not None
        made.end(span, 200, "client", "its-id")

    assert time.monotonic() - started < 6
    assert len(made._waiting) <= 4096
    made._waiting.clear()
    made.close(0)


@pytest.mark.parametrize("url", ["", "collector:4318", "ftp://collector"])
def test_an_endpoint_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="trace_endpoint"):
        tracer(url)


def test_a_service_sends_its_spans(
    collector: Collector, diabetes_model: Path, replicas: Any
) -> None:
    service: Replica = replicas(diabetes_model, trace_endpoint=collector.url, trace_sample=0.0)
    service.started()
    body = {"data": [[0.1] * 10]}
    service.post("/score", body, traceparent=SAMPLED, x_request_id="direct")
    service.post("/score?by=asgi", body, traceparent=SAMPLED, x_request_id="cycle")
    service.post("/score", body, traceparent=SAMPLED, x_request_id="refused", key="wrong")
    service.post("/score", body, x_request_id="not-sampled")
    wait_until(lambda: len(collector.spans()) == 3, "the collector has them", 10)

    path, kind, document = collector.requests[0]
    assert (path, kind) == ("/v1/traces", "application/json")
    resource = attributes(document["resourceSpans"][0]["resource"])
    assert resource["service.name"] == "diabetes"
    assert resource["slipway.model.version"] == "7"
    spans = {attributes(span)["slipway.request_id"]: span for span in collector.spans()}
    assert set(spans) == {"direct", "cycle", "refused"}
    span = spans["direct"]
    assert (span["traceId"], span["parentSpanId"], span["kind"]) == (TRACE, PARENT, 2)
    assert len(span["spanId"]) == 16
    assert span["name"] == "POST /score"
    assert attributes(span)["http.response.status_code"] == "200"
    assert attributes(spans["refused"])["http.response.status_code"] == "401"
    assert 0 < int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) < 30e9
