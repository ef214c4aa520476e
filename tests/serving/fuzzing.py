"""Requests as nobody should send them: strategies of raw bytes, and how they are sent."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.serving.backends import read_all
from tests.serving.replica import KEY

PATHS = ["/score", "/score", "/invocations", "/v2/models/diabetes/infer", "/v2/models/diabetes"]
PATHS += ["/v2", "/v2/health/ready", "/", "/ping", "/health", "/swagger.json", "/docs", "/metrics"]
PATHS += ["/score/", "//score", "/score?verify=1", "/score%2f..", "/nothing", "*", "score", ""]
METHODS = ["POST"] * 8 + ["GET", "OPTIONS", "HEAD", "PUT", "DELETE", "CONNECT", "get", "P\x00ST"]
TYPES = ["application/json"] * 6 + ["text/csv", "application/vnd.apache.parquet", "text/plain"]
TYPES += ["application/json; charset=utf-16", "multipart/form-data", "\x00", "x" * 300]
COLUMNS = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(),
    st.sampled_from([float("nan"), float("inf"), -(2**63), 2**64, 1e308, -0.0]),
)
leaves = st.one_of(numbers, st.none(), st.booleans(), st.text(max_size=20))
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
rows = st.lists(st.lists(leaves, min_size=0, max_size=11), max_size=5)
good_rows = st.lists(st.lists(numbers, min_size=10, max_size=10), min_size=1, max_size=4)
split = st.fixed_dictionaries({"columns": st.just(COLUMNS), "data": good_rows | rows | anything})
documents = st.one_of(
    st.fixed_dictionaries({"dataframe_split": split | anything}),
    st.fixed_dictionaries({"dataframe_records": anything}),
    st.fixed_dictionaries({"instances": anything}, optional={"inputs": anything}),
    st.fixed_dictionaries({"data": good_rows | anything}),
    st.fixed_dictionaries({"inputs": anything, "params": anything}),
    anything,
)


def _doubled(document: Any) -> bytes:
    text = json.dumps(document)
    return f'{{"data": 1, "dataframe_split": {text}, "dataframe_split": {text}}}'.encode()


bodies = st.one_of(
    documents.map(lambda document: json.dumps(document).encode()),
    documents.map(lambda document: json.dumps(document).encode("utf-16")),
    documents.map(lambda document: json.dumps(document).encode()[:-3]),
    documents.map(_doubled),
    st.binary(max_size=300),
    st.integers(min_value=1, max_value=50_000).map(lambda depth: b"[" * depth),
    st.integers(min_value=1, max_value=5_000).map(lambda depth: b'{"a":' * depth + b"}" * depth),
    st.sampled_from([b"", b"null", b"NaN", b'"\\ud800"', b"1e999", b"\xff\xfe", b"[1,]"]),
    st.integers(min_value=1, max_value=300_000).map(lambda size: b'{"data": "%b"}' % (b"x" * size)),
)
HEADERS = [
    b"x-request-id: " + b"i" * 200,
    b"x-ms-request-id: \xff\xfe",
    b"accept: nothing/at-all",
    b"content-encoding: gzip",
    b"expect: 100-continue",
    b"expect: a-miracle",
    b"traceparent: 00-zz-zz-00",
    b"upgrade: websocket\r\nconnection: upgrade",
    b"connection: close",
    b"host: second",
    b"transfer-encoding: gzip",
    b"content-length: 7",
    b"authorization: Bearer wrong",
    b"x-huge: " + b"h" * 40_000,
    b"no colon at all",
    b" folded: line",
    b"a\x00b: c",
]


@dataclass(frozen=True)
class Sent:
    """A request, and in how many parts it is written."""

    method: str
    path: str
    kind: str
    body: bytes
    framing: str
    headers: list[bytes] = field(default_factory=list)
    key: bool = True
    parts: int = 1
    cut: int = 0  # this many bytes are left out at the end

    def bytes(self) -> bytes:
        """Return it as it goes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1".encode("latin-1"), b"host: a"]
        lines.append(b"content-type: " + self.kind.encode("latin-1"))
        if self.key:
            lines.append(b"authorization: Bearer " + KEY.encode())
        lines += self.headers
        framed = self.body
        if self.framing == "chunked":
            lines.append(b"transfer-encoding: chunked")
            framed = (
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.body), self.body)
                if self.body
                else b"0\r\n\r\n"
            )
        elif self.framing == "chunks that lie":
            lines.append(b"transfer-encoding: chunked")
            framed = b"ffffff\r\n%b\r\nzz\r\n" % self.body
        elif self.framing != "none":
            wrong = {"right": 0, "too small": -1, "too large": 9}[self.framing]
            lines.append(b"content-length: %d" % max(0, len(self.body) + wrong))
        whole = b"\r\n".join(lines) + b"\r\n\r\n" + framed
        return whole[: len(whole) - self.cut] if self.cut else whole


requests = st.builds(
    Sent,
    method=st.sampled_from(METHODS),
    path=st.sampled_from(PATHS),
    kind=st.sampled_from(TYPES),
    body=bodies,
    framing=st.sampled_from(
        ["right"] * 8 + ["chunked", "chunked", "too small", "too large", "none", "chunks that lie"]
    ),
    headers=st.lists(st.sampled_from(HEADERS), max_size=2) | st.just([]),
    key=st.sampled_from([True] * 9 + [False]),
    parts=st.sampled_from([1, 1, 1, 3, 20]),
    cut=st.sampled_from([0] * 9 + [1, 30]),
)


def ask(port: int, sent: Sent) -> bytes:
    """Send it over a connection of its own, close our side, and return what came back."""
    whole = sent.bytes()
    size = max(1, -(-len(whole) // sent.parts))
    with socket.create_connection(("127.0.0.1", port), timeout=40) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # it may answer and close before it has all
            for start in range(0, len(whole), size):
                client.sendall(whole[start : start + size])
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def statuses(answer: bytes) -> list[int]:
    """Return the status codes of the answers in what came back, the first one at least."""
    if not answer:
        return []
    line = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(line) < 2 or not line[0].startswith(b"HTTP/1."):
        raise AssertionError(f"no HTTP: {answer[:200]!r}")
    return [int(line[1])]
