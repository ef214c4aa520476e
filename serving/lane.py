"""A direct lane through uvicorn: no ASGI cycle and no task for the small requests that come most.

`Lane` is uvicorn's HTTP protocol. A plain POST with a body of known, small length that its handler
takes is handed over whole, and answered with one write. Everything else, and everything unusual,
goes on to uvicorn's own ASGI cycle: pipelined requests, HTTP/1.0, `Expect`, chunked bodies,
upgrades, headers given twice, and clients that do not read their answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
from typing import Any

import httptools
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.exchange import DirectHandler, Exchange

log = logging.getLogger("serving.lane")

DIRECT_BYTES = 1024 * 1024  # largest body of the direct lane
MAX_HEAD = 32 * 1024  # bytes of request line and headers, then 431
HEAD_SECONDS = 15.0  # from connecting, or from a request's first byte, to the end of its headers
LINGER = 0.5  # seconds an idle connection may still send a request while the server shuts down,
# and a refused one whatever it likes
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
UNUSUAL = frozenset({b"expect", b"transfer-encoding", b"upgrade"})
# What of uvicorn's protocol this module builds on. A model may bring its own version of uvicorn.
ATTRIBUTES = {"transport", "parser", "flow", "cycle", "pipeline", "headers", "loop"}
ATTRIBUTES |= {"expect_100_continue", "server_state"}
METHODS = {"on_message_begin", "on_headers_complete", "on_response_complete", "shutdown"}
METHODS |= {"connection_made", "data_received", "send_400_response"}
METHODS |= {"_unset_keepalive_if_required", "timeout_keep_alive_handler"}


def _parser(lane: Lane) -> Any:
    """Return a parser that is set as uvicorn sets its own."""
    parser = httptools.HttpRequestParser(lane)
    with contextlib.suppress(AttributeError):  # before httptools 0.6.3
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


class Lane(HttpToolsProtocol):
    """uvicorn's protocol with a direct lane; give `protocol(handler)` to uvicorn.Config(http=)."""

    def __init__(self, *args: Any, handler: DirectHandler, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handler = handler
        self._incoming: Exchange | None = None  # its body is being read
        self._in_message = self._in_head = self._body_only = False
        self._upgrade_framing = b""  # headers that say how long the body is, until it begins
        self._head_bytes = 0  # that came since the head under way began: never too few
        self._head_at = 0.0  # loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal: tuple[int, str] | None = None
        self._draining = False
        self._answered_at = 0.0  # loop.time()
        self._date_of: object = None
        self._date_line = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; its first request must come soon."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits of a head."""
        if self._refusal is not None:
            return
        self._head_bytes = self._head_bytes + len(data) if self._in_head else len(data)
        try:
            self._feed(data)
            if self._in_head and self._head_bytes > MAX_HEAD:
                self._too_large()
        except httptools.HttpParserError:
            self._break()
            return
        if self._in_head and self._head_timer is None:  # seldom: most heads come in one piece
            self._await_head()

    def _break(self) -> None:
        if self._refusal is not None:
            self._refuse(*self._refusal)
        else:
            self.send_400_response("Invalid HTTP request received.")

    def _feed(self, data: bytes) -> None:
        """Parse. An upgrade is not offered here, so the request goes on as if it had not asked.

        Java's HTTP client asks for h2c with its first request, and sends a body with it.
        """
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stop:
                data = data[stop.args[0] :]
            self.parser = _parser(self)
            framing, self._upgrade_framing = self._upgrade_framing, b""
            if framing:  # another parser reads its body, by the same headers
                self._body_only = True
                self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")

    def _too_large(self) -> None:
        self._refusal = (431, f"The headers are larger than {MAX_HEAD} bytes.")
        raise httptools.HttpParserError(self._refusal[1])

    def _refuse(self, status: int, message: str) -> None:
        """Answer to something that never became a request, and close.

        What still comes is thrown away for a moment: closing on it would take the answer along.
        """
        self._refusal = (status, message)
        body = json.dumps({"message": message}).encode("ascii")
        head = (
            b"%bcontent-type: application/json\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n"
        )
        line = httptools_impl.STATUS_LINE[status]
        self.transport.write(head % (line, self.date_line(), len(body)) + body)
        if self._is_answering() or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self.loop.call_later(LINGER, self.transport.close)

    def _is_answering(self) -> bool:
        return not (self.cycle is None or self.cycle.response_complete)

    def _await_head(self) -> None:
        self._head_at = self.loop.time()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._look_at_head)

    def _look_at_head(self) -> None:
        """End a connection whose request does not get on; one that waits for an answer may."""
        self._head_timer = None
        if self.transport.is_closing() or self._refusal is not None:
            return
        answering = self._is_answering()
        left = max(self._head_at, self._answered_at) + HEAD_SECONDS - self.loop.time()
        if answering or left > 0:
            again = HEAD_SECONDS if answering else left
            self._head_timer = self.loop.call_later(again, self._look_at_head)
        elif self._in_head:
            self._refuse(408, "The request came too slowly.")
        else:
            self.transport.close()

    def _head_is_here(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self._head_bytes > MAX_HEAD:  # perhaps with a body: now count
            lines = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.url) + lines > MAX_HEAD:
                self._too_large()
        self._head_bytes = 0

    def on_message_begin(self) -> None:
        """Begin a request; uvicorn's scope is made only for those that go to it."""
        if self._body_only:
            return
        self._in_message = self._in_head = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Choose the way of a request whose headers are known."""
        if self._body_only:
            return
        self._head_is_here()
        exchange = self._direct()
        if exchange is not None:
            self._incoming = self.cycle = exchange  # type: ignore[assignment]
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)  # the same list is in the scope
        super().on_headers_complete()
        if self._draining:
            self.cycle.keep_alive = False
        if self.parser.should_upgrade():
            framing = [b"%b: %b\r\n" % pair for pair in headers if pair[0] in FRAMING]
            self._upgrade_framing = b"".join(framing)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header, or leave the trailers of a body alone."""
        if not self._body_only:
            super().on_header(name, value)

    def _direct(self) -> Exchange | None:
        """Return the exchange of a request for the direct lane, or None."""
        parser = self.parser
        method = parser.get_method()
        if method != b"POST" or self._is_answering():
            return None
        fields = dict(self.headers)
        length = fields.get(b"content-length", b"")
        # int() takes spaces and signs as well, but what the parser let through has none.
        if not length.isdigit() or len(length) > 7 or int(length) > DIRECT_BYTES:
            return None
        if not self._handler.takes(method, self.url, int(length)):
            return None
        if len(fields) != len(self.headers) or not UNUSUAL.isdisjoint(fields):
            return None
        if parser.get_http_version() != "1.1" or self.flow.write_paused:
            return None
        if self.transport.is_closing():
            return None
        exchange = Exchange(self, method, self.url, fields)
        exchange.keep_alive = parser.should_keep_alive() and not self._draining
        return exchange

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        exchange = self._incoming
        if exchange is None:
            super().on_body(body)
        elif exchange.body:
            if not isinstance(exchange.body, bytearray):
                exchange.body = bytearray(exchange.body)
            exchange.body += body
        else:
            exchange.body = body

    def on_message_complete(self) -> None:
        """Hand over a request that is whole."""
        if self._upgrade_framing:
            return  # its body is behind the place where the parser stops
        self._in_message = self._body_only = False
        exchange, self._incoming = self._incoming, None
        if exchange is None:
            super().on_message_complete()
            return
        exchange.body = bytes(exchange.body)
        try:
            self._handler.handle(exchange)
        except Exception:
            log.exception("the direct lane failed")
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request, for as long as connections are kept.

        uvicorn makes and cancels a timer for each request; here one timer looks now and then.
        """
        self._answered_at = self.loop.time()
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        if self.timeout_keep_alive_task is None:
            self._look_in(self.timeout_keep_alive)

    def _look_in(self, seconds: float) -> None:
        look = self.timeout_keep_alive_handler
        self.timeout_keep_alive_task = self.loop.call_later(seconds, look)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle for long enough."""
        self.timeout_keep_alive_task = None
        if not self._is_idle():
            return  # its answer looks again
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_in(left)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer alone: uvicorn asks for this whenever data comes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Let whoever answers know that nobody listens any more."""
        for timer in (self.timeout_keep_alive_task, self._head_timer):
            if timer is not None:
                timer.cancel()
        self.timeout_keep_alive_task = self._head_timer = None
        super().connection_lost(exc)
        cycle: Any = self.cycle
        if isinstance(cycle, Exchange) and cycle.on_disconnect is not None:
            cycle.on_disconnect()

    def shutdown(self) -> None:
        """Finish what was begun, and close.

        An idle connection is not closed at once: its client may be sending its next request, which
        would be lost. That one is answered, with `Connection: close`.
        """
        self._draining = True
        if self._is_idle():
            self.loop.call_later(LINGER, self._close_if_idle)
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _is_idle(self) -> bool:
        return not self._is_answering() and not self._in_message

    def _close_if_idle(self) -> None:
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()

    def date_line(self) -> bytes:
        """Return the headers that every answer has; uvicorn renews them every second."""
        headers = self.server_state.default_headers
        if headers is not self._date_of:
            self._date_of = headers
            self._date_line = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._date_line


def is_usable() -> bool:
    """Whether the uvicorn that was found is built as this module expects."""
    names = set(HttpToolsProtocol.__init__.__code__.co_names)
    return names >= ATTRIBUTES and all(hasattr(HttpToolsProtocol, name) for name in METHODS)


class _Nobody:
    """A handler that leaves everything to the application."""

    def takes(self, method: bytes, target: bytes, length: int) -> bool:
        """Take nothing."""
        return False

    def handle(self, exchange: Exchange) -> None:
        """Is never asked."""
        raise NotImplementedError


def protocol(handler: DirectHandler | None) -> Any:
    """Return what uvicorn.Config takes as `http`; without a handler, all goes uvicorn's way."""
    if not is_usable():
        log.warning("the model brings a uvicorn that this server does not know: without its limits")
        return HttpToolsProtocol
    return functools.partial(Lane, handler=handler or _Nobody())
