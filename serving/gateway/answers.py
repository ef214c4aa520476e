"""Answers of the gateway's own, and the lines it puts into every head."""

from __future__ import annotations

import http
import itertools
import json
import random
import uuid
from email.utils import formatdate

from serving.gateway.limits import DOWN

STATUS_LINES = {
    status: f"HTTP/1.1 {status} ".encode()
    + (http.HTTPStatus(status).phrase.encode() if status in list(http.HTTPStatus) else b"")
    for status in range(100, 1000)
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class GatewayError(Exception):
    """An answer of the gateway's own."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after

    @property
    def body(self) -> bytes:
        """The JSON document {code, message}."""
        return json.dumps({"code": self.code, "message": self.message}).encode()


def bad_request(reason: str) -> GatewayError:
    """Return the 400 for what is not a whole HTTP request."""
    return GatewayError(400, "BadRequest", reason)


def too_large(limit: int) -> GatewayError:
    """Return the 413 for a body above `limit` bytes."""
    return GatewayError(413, "PayloadTooLarge", f"The body is larger than {limit} bytes.")


def unavailable(message: str, seconds: int) -> GatewayError:
    """Return a 503 that asks the client to come again in `seconds`."""
    return GatewayError(503, "ServiceUnavailable", message, retry_after=seconds)


_START = str(uuid.uuid4())[:24].encode()  # of every id that this process makes
_count = itertools.count(random.SystemRandom().getrandbits(32))


def new_request_id() -> bytes:
    """Return a UUID as text: random for the process, counted within it."""
    return b"%b%012x" % (_START, next(_count))


class Clock:
    """The time, read once per tick: nothing here needs it more exactly."""

    __slots__ = ("date_lines", "down_until", "now")

    def __init__(self) -> None:
        self.now = 0.0  # seconds of the event loop's clock
        self.down_until = 0.0  # how long a backend that fails now is asked last
        self.date_lines = b""  # lines that every answer ends its head with

    def set(self, now: float) -> None:
        """Note the loop's time, and the wall clock's for the Date header."""
        self.now = now
        self.down_until = now + DOWN
        self.date_lines = b"\r\nserver: slipway\r\ndate: %b" % formatdate(usegmt=True).encode()
