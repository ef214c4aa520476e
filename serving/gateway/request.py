"""One request as the parser hands it over: what is routed by, and the lines that are passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from serving.contract import MAX_REQUEST_ID, REQUEST_ID_HEADER
from serving.gateway.answers import GatewayError, bad_request
from serving.gateway.limits import MAX_HEAD, SMALL

USUAL = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})  # of Connection


class Request:
    """A request that is being received. Its body is whole, or streamed when `streams`."""

    method = target = b""
    version = "1.1"
    host = b""
    hosts = 0  # how many Host headers there are
    identity = b""
    length: int | None = None  # Content-Length
    chunked = expects = keep_alive = False
    origin = asked_method = asked_headers = b""  # of CORS
    problem: GatewayError | None = None
    bytes_dropped = 0  # of headers that are not passed on
    streams = complete = False
    received = 0  # bytes of the body

    def __init__(self) -> None:
        self.lines: list[bytes] = []  # `name: value`, as they came, to be passed on
        self.blocks: list[bytes] = []  # of the body, not yet passed on
        self.connection: list[bytes] = []  # what Connection names

    def end_head(self, method: bytes, version: str, *, keep_alive: bool) -> None:
        """Judge the whole head: `problem`, `streams` and `keep_alive` hold from here on."""
        self.method, self.version = method, version
        self.keep_alive = keep_alive and version == "1.1"
        if self.connection:
            self.lines = without(self.lines, self.connection)
        self.problem = self.problem or self._problem()
        small = self.length is None or self.length <= SMALL
        self.streams = self.chunked or self.expects or not small

    def _problem(self) -> GatewayError | None:
        if sum(map(len, self.lines)) + self.bytes_dropped + len(self.target) > MAX_HEAD:
            return head_too_large()
        if self.version not in ("1.0", "1.1"):
            return GatewayError(505, "HTTPVersionNotSupported", "Only HTTP/1.1 is spoken here.")
        if self.method == b"CONNECT":
            return GatewayError(405, "MethodNotAllowed", "This is no forward proxy.")
        if self.hosts != 1 and (self.hosts or self.version == "1.1"):
            return bad_request("A request has one Host header.")
        if self.chunked and (self.length is not None or self.version == "1.0"):
            return bad_request("A body has Content-Length or Transfer-Encoding, not both.")
        if len(self.identity) > MAX_REQUEST_ID:
            text = f"{REQUEST_ID_HEADER} must not exceed {MAX_REQUEST_ID} characters"
            return GatewayError(431, "RequestHeaderFieldsTooLarge", text)
        return None

    @property
    def has_body(self) -> bool:
        return self.chunked or self.length is not None


def head_too_large() -> GatewayError:
    """Return the 431 for a head above MAX_HEAD."""
    text = f"The request's headers are larger than {MAX_HEAD} bytes."
    return GatewayError(431, "RequestHeaderFieldsTooLarge", text)


def without(lines: Iterable[bytes], names: Iterable[bytes]) -> list[bytes]:
    """Return the header lines whose names (in small letters) are not in `names`."""
    dropped = set(names)
    return [line for line in lines if line.partition(b":")[0].lower() not in dropped]


def tokens(value: bytes) -> list[bytes]:
    """Return what a Connection header names, but for what every connection says."""
    names = [part.strip().lower() for part in value.split(b",")]
    return [name for name in names if name not in (b"", b"close", b"keep-alive")]


def _drop(request: Request, value: bytes) -> None:
    """Hop by hop (RFC 9110 §7.6.1), written anew here, or the studio's alone (cookies)."""
    request.bytes_dropped += len(value)


def _host(request: Request, value: bytes) -> None:
    request.host = value
    request.hosts += 1


def _identity(request: Request, value: bytes) -> None:
    request.identity = request.identity or value


def _length(request: Request, value: bytes) -> None:
    if request.length is not None or not value.isdigit() or len(value) > 18:
        request.problem = bad_request("A request has one Content-Length, a number.")
    else:
        request.length = int(value)


def _encoding(request: Request, value: bytes) -> None:
    if request.chunked or value.strip().lower() != b"chunked":
        text = "The only Transfer-Encoding here is chunked."
        request.problem = GatewayError(501, "NotImplemented", text)
    request.chunked = True


def _connection(request: Request, value: bytes) -> None:
    if value not in USUAL:
        request.connection += tokens(value)


def _expect(request: Request, value: bytes) -> None:
    if value.strip().lower() == b"100-continue":
        request.expects = True
    else:
        text = "The only Expect here is 100-continue."
        request.problem = GatewayError(417, "ExpectationFailed", text)


def _origin(request: Request, value: bytes) -> None:
    request.origin = value
    request.lines.append(b"origin: " + value)


def _asked_method(request: Request, value: bytes) -> None:
    request.asked_method = value
    request.lines.append(b"access-control-request-method: " + value)


def _asked_headers(request: Request, value: bytes) -> None:
    request.asked_headers = value
    request.lines.append(b"access-control-request-headers: " + value)


NOTES: dict[bytes, Callable[[Request, bytes], None]] = {
    b"access-control-request-headers": _asked_headers,
    b"access-control-request-method": _asked_method,
    b"connection": _connection,
    b"content-length": _length,
    b"cookie": _drop,
    b"expect": _expect,
    b"forwarded": _drop,
    b"host": _host,
    b"keep-alive": _drop,
    b"origin": _origin,
    b"proxy-authenticate": _drop,
    b"proxy-authorization": _drop,
    b"proxy-connection": _drop,
    b"te": _drop,
    b"trailer": _drop,
    b"transfer-encoding": _encoding,
    b"upgrade": _drop,
    b"x-forwarded-for": _drop,
    b"x-forwarded-host": _drop,
    b"x-forwarded-prefix": _drop,
    b"x-forwarded-proto": _drop,
    b"x-real-ip": _drop,
    REQUEST_ID_HEADER.encode(): _identity,
}
