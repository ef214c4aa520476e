"""OpenTelemetry traces: one server span per sampled request, sent as OTLP over HTTP in JSON.

Written by hand: a list of spans is little, and the SDK with its exporter brings protobuf, requests
and 12 MB of memory into every worker. Formats: OTLP 1.x, "OTLP/HTTP" with JSON encoding
(opentelemetry.io/docs/specs/otlp), W3C Trace Context level 1 (w3.org/TR/trace-context-1).

A request pays for two random numbers; a thread of its own sends what is in a bounded queue. When
the collector is slow or gone, spans are dropped and counted, and requests never wait.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import re
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from serving.contract import ReplicaConfig

log = logging.getLogger("serving.traces")

TRACES_PATH = "/v1/traces"
SEND_EVERY = 1.0  # seconds
SEND_TIMEOUT = 5.0
MAX_WAITING = 4096  # spans
MAX_BATCH = 512
COMPLAIN_EVERY = 60.0  # seconds between log lines about the same collector
SERVER_KIND = 2  # SPAN_KIND_SERVER
OK, ERROR = 1, 2  # STATUS_CODE_OK, STATUS_CODE_ERROR
PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Span(NamedTuple):
    """A request that is traced."""

    trace: str  # 32 hexadecimal digits
    parent: str  # 16 hexadecimal digits or ""
    method: str
    path: str
    started: int  # nanoseconds since the epoch


class Ended(NamedTuple):
    """A traced request and its answer."""

    span: Span
    ended: int  # nanoseconds since the epoch
    status: int
    caller: str
    identity: str


class Tracer:
    """Decides which requests are traced, and sends what became of them."""

    def __init__(self, config: ReplicaConfig) -> None:
        url = urllib.parse.urlsplit(config.get("trace_endpoint", ""))
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("trace_endpoint is no http URL")
        path = url.path.rstrip("/")
        self._url = url
        self._path = path if path.endswith(TRACES_PATH) else path + TRACES_PATH
        self._sample = config.get("trace_sample", 1.0)
        self._resource = _resource(config)
        self._random = random.Random()  # noqa: S311  # ids of traces are no secret
        self._waiting: deque[Ended] = deque(maxlen=MAX_WAITING)
        self._stop = threading.Event()
        self._complained = -COMPLAIN_EVERY
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def begin(self, method: str, path: str, fields: Mapping[bytes, bytes]) -> Span | None:
        """Return the span of a request, or None for one that is not sampled.

        Whoever calls with a `traceparent` has decided; for others `trace_sample` decides.
        """
        header = fields.get(b"traceparent")
        given = None if header is None else parent_of(header)
        if given is None:
            if self._random.random() >= self._sample:
                return None
            return Span(f"{self._random.getrandbits(128):032x}", "", method, path, time.time_ns())
        trace, parent, sampled = given
        return Span(trace, parent, method, path, time.time_ns()) if sampled else None

    def end(self, span: Span, status: int, caller: str, identity: str) -> None:
        """Take in a span that is over; when too many wait, the oldest is dropped."""
        self._waiting.append(Ended(span, time.time_ns(), status, caller, identity))

    def close(self, seconds: float = 1.0) -> None:
        """Send what waits, for at most `seconds`."""
        self._stop.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.wait(SEND_EVERY):
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._waiting:
            spans = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            try:
                self._send([self._encoded(span) for span in spans])
            except (OSError, http.client.HTTPException) as error:
                self._complain(f"{len(spans)} traces lost: {error or type(error).__name__}")
                return

    def _send(self, spans: list[dict[str, Any]]) -> None:
        scope = {"scope": {"name": "slipway"}, "spans": spans}
        document = {"resourceSpans": [{"resource": self._resource, "scopeSpans": [scope]}]}
        secure = self._url.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        assert self._url.hostname is not None
        connection = connect(self._url.hostname, self._url.port, timeout=SEND_TIMEOUT)
        try:
            body, headers = json.dumps(document), {"content-type": "application/json"}
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 300:
                self._complain(f"{len(spans)} traces lost: the collector says {answer.status}")
        finally:
            connection.close()

    def _complain(self, message: str) -> None:
        now = time.monotonic()
        if now - self._complained > COMPLAIN_EVERY:
            self._complained = now
            log.warning(message)

    def _encoded(self, ended: Ended) -> dict[str, Any]:
        span = ended.span
        attributes: dict[str, str | int] = {
            "http.request.method": span.method,
            "url.path": span.path[:200],
            "http.response.status_code": ended.status,
            "slipway.caller": ended.caller,
            "slipway.request_id": ended.identity,
        }
        encoded = {
            "traceId": span.trace,
            "spanId": f"{self._random.getrandbits(64):016x}",
            "name": f"{span.method} {span.path[:200]}",
            "kind": SERVER_KIND,
            "startTimeUnixNano": str(span.started),
            "endTimeUnixNano": str(ended.ended),
            "attributes": [_attribute(name, value) for name, value in attributes.items()],
            "status": {"code": ERROR} if ended.status >= 500 else {},
        }
        return {**encoded, "parentSpanId": span.parent} if span.parent else encoded


def parent_of(header: bytes) -> tuple[str, str, bool] | None:
    """Return (trace id, span id, sampled) of a `traceparent`, or None for a bad one."""
    match = PARENT.fullmatch(header)
    if match is None:
        return None
    version, trace, parent, flags, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest) or not (int(trace, 16) and int(parent, 16)):
        return None
    return trace.decode("ascii"), parent.decode("ascii"), bool(int(flags, 16) & 1)


def _resource(config: ReplicaConfig) -> dict[str, Any]:
    attributes: dict[str, str | int] = {
        "service.name": config["service"],
        "service.version": str(config["revision"]),
        "service.instance.id": f"{config['service']}-{config['revision']}-{config['replica']}",
        "slipway.model.name": config["model_name"],
        "slipway.model.version": config["model_version"],
    }
    return {"attributes": [_attribute(name, value) for name, value in attributes.items()]}


def _attribute(name: str, value: str | int) -> dict[str, Any]:
    kind, text = ("intValue", str(value)) if isinstance(value, int) else ("stringValue", value)
    return {"key": name, "value": {kind: text}}
