"""CORS, per service: the gateway answers the preflight and marks the answers.

Keys travel in a header that a page's script sets, never in cookies (the gateway drops them), so
Access-Control-Allow-Credentials is never sent, and `*` is safe. https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serving.gateway.answers import GatewayError
from serving.gateway.request import Request

METHODS = b"GET, POST, OPTIONS"
EXPOSED = b"x-request-id, retry-after, www-authenticate"
MAX_AGE = b"600"  # seconds a browser may keep the answer to a preflight
HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~ ,-]*").fullmatch
VARY = b"vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class Cors:
    """Which origins may call one service from a page."""

    def __init__(self, origins: Sequence[str]) -> None:
        self.any = "*" in origins
        self.origins = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes) -> bool:
        """Tell whether pages of `origin` may read answers."""
        return self.any or origin in self.origins

    def lines(self, request: Request) -> list[bytes]:
        """Return the header lines of an answer to `request`."""
        if self.any:
            allowed = b"*"
        elif request.origin and request.origin in self.origins:
            allowed = request.origin
        else:
            return [b"vary: Origin"]
        lines = [b"access-control-allow-origin: " + allowed]
        lines.append(b"access-control-expose-headers: " + EXPOSED)
        return lines if self.any else [*lines, b"vary: Origin"]

    def preflight(self, request: Request) -> list[bytes] | None:
        """Return the header lines that answer a preflight, None when `request` is none.

        Raises GatewayError 403 when the origin may not.
        """
        if request.method != b"OPTIONS" or not (request.origin and request.asked_method):
            return None
        if not self.allows(request.origin):
            text = "Pages of this origin may not call the service; see its CORS setting."
            raise GatewayError(403, "OriginNotAllowed", text)
        lines = [
            b"access-control-allow-origin: " + (b"*" if self.any else request.origin),
            b"access-control-allow-methods: " + METHODS,
            b"access-control-max-age: " + MAX_AGE,
            VARY,
        ]
        # `*` would not cover Authorization, so the names that were asked for are given back.
        if request.asked_headers and HEADER_NAMES(request.asked_headers):
            lines.append(b"access-control-allow-headers: " + request.asked_headers)
        return lines
