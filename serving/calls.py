"""One request as the service sees it, by whichever way it came: its id, its caller, its account.

The direct lane and the ASGI application both use this, so that nothing is decided twice.
"""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from serving.auth import CLIENT
from serving.contract import MAX_REQUEST_ID, OPEN_PATHS, REQUEST_ID_HEADER
from serving.errors import ServingError, error_body
from serving.limits import too_large
from serving.scoring import Answer

if TYPE_CHECKING:
    from serving.service import Service
    from serving.traces import Span

DOCS_PATH = "/docs"
METRICS_PATH = "/metrics"
QUIET_PATHS = OPEN_PATHS | {METRICS_PATH}  # asked all day long: not a log line each
ID = REQUEST_ID_HEADER.encode("ascii")
CANCELLED = 499  # the caller went away before its answer


class _Identities:
    """Random UUIDs (RFC 9562, version 4) whose last 48 bits count on from a random start.

    They are no secret, and cost a tenth of drawing each anew.
    """

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)  # two processes must not count the same

    def renew(self) -> None:
        """Begin anew, with other digits."""
        drawn = str(uuid.uuid4())
        self._next = _count(drawn[:24], int(drawn[24:], 16)).__next__

    def __call__(self) -> str:
        return self._next()


def _count(head: str, start: int) -> Iterator[str]:
    lows = [f"{low:03x}" for low in range(0x1000)]
    for number in itertools.count(start >> 12):
        most = f"{head}{number & 0xFFFFFFFFF:09x}"
        for low in lows:
            yield most + low


new_identity = _Identities()


class Call:
    """A request under way.

    Args:
        fields: headers by lower-case name, as bytes.
    """

    __slots__ = ("_started", "caller", "fields", "identity", "path", "service", "span")

    def __init__(
        self, service: Service, method: str, path: str, fields: Mapping[bytes, bytes]
    ) -> None:
        self._started = time.perf_counter()
        self.service, self.path, self.fields = service, path, fields
        self.caller = CLIENT
        given = fields.get(ID, b"")
        kept = 0 < len(given) <= MAX_REQUEST_ID
        self.identity = given.decode("latin-1") if kept else new_identity()
        tracer = service.tracer
        self.span: Span | None = tracer.begin(method, path, fields) if tracer else None

    def admit(self) -> None:
        """Find out who calls; raises ServingError 401, 431 and 503."""
        fields = self.fields
        if len(fields.get(ID, b"")) > MAX_REQUEST_ID:
            text = f"{REQUEST_ID_HEADER} must not exceed {MAX_REQUEST_ID} characters"
            raise ServingError(431, text)
        if self.path in OPEN_PATHS:
            self.caller = "health"
        elif self.path != DOCS_PATH:  # a page that says nothing of the service
            self.caller = self.service.keys.caller(fields, always=self.path == METRICS_PATH)

    def check_body(self, length: int) -> None:
        """Raise ServingError for a body that is packed (415) or too large (413)."""
        encoding = self.fields.get(b"content-encoding", b"identity")
        if encoding != b"identity":
            text = f"Content-Encoding {encoding.decode('latin-1')!r} is not supported."
            raise ServingError(415, text)
        limit = self.service.config["max_body_bytes"]
        if length > limit:
            raise too_large(limit)

    def refusal(self, error: ServingError) -> Answer:
        """Return the answer that tells the error in the caller's dialect."""
        body = error_body(error, self.path)
        return Answer(body, headers=tuple(error.headers.items()), status=error.status)

    def finish(self, status: int) -> None:
        """Count, trace and log the request; call it once, when its answer was given."""
        seconds = time.perf_counter() - self._started
        service = self.service
        service.metrics.count(self.caller, status, seconds)
        if self.span is not None and service.tracer is not None:
            service.tracer.end(self.span, status, self.caller, self.identity)
        if service.access_log is None:
            return
        if self.path in QUIET_PATHS:
            loading = self.path in OPEN_PATHS and status == 503
            if status < 500 or loading:
                return
        service.access_log.note(self.identity, self.path, status, seconds, self.caller)
