"""Connections of clients: httptools' request parser, one request answered after the other.

The parser's callbacks only collect; what to do is decided afterwards, in `_pump`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from serving.contract import HEALTH_PATH
from serving.gateway.answers import STATUS_LINES, GatewayError, bad_request, unavailable
from serving.gateway.exchange import Exchange
from serving.gateway.limits import (
    BODY_RATE,
    GOODBYE,
    IDLE_CLIENT,
    LINGER,
    MAX_FRAMING,
    MAX_HEAD,
    WRITE_BUFFER,
    WRITE_TIMEOUT,
)
from serving.gateway.request import NOTES, Request, head_too_large

if TYPE_CHECKING:
    from serving.gateway.server import Gateway

log = logging.getLogger("serving.gateway")

NEVER = float("inf")
HEALTH = HEALTH_PATH.encode()


class Client(asyncio.Protocol):
    """One connection of a client."""

    transport: asyncio.Transport

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.exchange: Exchange | None = None
        self.stays = True  # the connection goes on after the answer under way
        self.forwarded = b""
        self.parser = httptools.HttpRequestParser(self)
        self._incoming: Request | None = None  # not yet whole
        self._waiting: deque[Request] = deque()  # in the order in which they came
        self._request: Request | None = None  # being answered
        self._broken: GatewayError | None = None  # what comes is no HTTP any more
        self._in_head = self._upgrade = self._body_only = False
        self._progress = False
        self._idle_bytes = 0  # since something was completed
        self._holds: set[str] = set()  # why nothing is read
        self._lingers = self._pumping = self._surplus = False
        self._deadline = NEVER  # for what the client is to send
        self._stalled = NEVER  # for the client to take its answer

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER)
        peer = transport.get_extra_info("peername")
        address = peer[0].encode() if isinstance(peer, tuple) else b""
        scheme = b"https" if transport.get_extra_info("sslcontext") else b"http"
        self.forwarded = b"\r\nx-forwarded-for: " + address + b"\r\nx-forwarded-proto: " + scheme
        self._deadline = self.gateway.clock.now + self.gateway.limits.head_timeout
        self._surplus = not self.gateway.welcome(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.gateway.clients.discard(self)
        self._waiting.clear()
        self._lingers = True
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.abandon()  # nobody is left to answer

    def data_received(self, data: bytes) -> None:
        if self._lingers or self._broken is not None:
            return
        self._progress = False
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._break(bad_request(f"This is not a whole HTTP request: {error}."))
        if not self._progress:
            self._idle_bytes += len(data)
            if self._in_head and self._idle_bytes > MAX_HEAD:
                self._break(head_too_large())
            elif self._idle_bytes > MAX_FRAMING:
                self._break(bad_request("The body is almost nothing but chunk sizes."))
        self._pump()

    def pause_writing(self) -> None:
        self._stalled = self.gateway.clock.now + WRITE_TIMEOUT
        if self.exchange is not None:
            self.exchange.hold_answer()

    def resume_writing(self) -> None:
        self._stalled = NEVER
        if self.exchange is not None:
            self.exchange.go_on_answering()
        self._pump()

    # --- called by the parser

    def on_message_begin(self) -> None:
        if not self._body_only:
            self._incoming = Request()
            self._in_head, self._idle_bytes, self._progress = True, 0, True
            self._deadline = self.gateway.clock.now + self.gateway.limits.head_timeout

    def on_url(self, url: bytes) -> None:
        if self._incoming is not None and self._in_head:
            self._incoming.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._incoming
        if request is None or not self._in_head:
            return  # a trailer
        note = NOTES.get(name.lower())
        if note is None:
            request.lines.append(name + b": " + value)
        else:
            note(request, value)

    def on_headers_complete(self) -> None:
        if self._body_only or self._incoming is None:
            return
        parser, request = self.parser, self._incoming
        self._in_head, self._idle_bytes, self._progress = False, 0, True
        self._upgrade = parser.should_upgrade()
        keep_alive = parser.should_keep_alive()
        request.end_head(parser.get_method(), parser.get_http_version(), keep_alive=keep_alive)
        self._deadline = self.gateway.clock.now + self.gateway.limits.body_timeout
        self._waiting.append(request)

    def on_body(self, block: bytes) -> None:
        request = self._incoming
        if request is None:
            return
        self._progress, self._idle_bytes = True, 0
        request.received += len(block)
        request.blocks.append(block)
        latest = self.gateway.clock.now + self.gateway.limits.body_timeout
        self._deadline = min(self._deadline + len(block) / BODY_RATE, latest)

    def on_message_complete(self) -> None:
        request = self._incoming
        if request is None or (self._upgrade and request.has_body):
            return  # its body is behind the place where the parser stops
        request.complete = True
        self._incoming, self._body_only = None, False
        self._deadline = NEVER

    def _feed(self, data: bytes) -> None:
        """Parse. An upgrade is not offered here, so the request goes on as if it had not asked."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stop:
                data = data[stop.args[0] :]
            self.parser = httptools.HttpRequestParser(self)
            request, self._upgrade = self._incoming, False
            if request is not None:  # another parser reads its body, by the same two headers
                self._body_only = True
                size = b"Content-Length: %d" % (request.length or 0)
                framing = b"Transfer-Encoding: chunked" if request.chunked else size
                self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")

    # --- one request after the other

    def _pump(self) -> None:
        """Begin what can be begun, and hand on what came of the body under way."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._may_begin():
                self._begin(self._waiting.popleft())
            if self._request is None and self._broken is not None and not self._lingers:
                self._begin_broken(self._broken)
        finally:
            self._pumping = False
        if self._waiting and (self._request is not None or self._is_next_ready()):
            self.hold("order")  # what is read must be kept, so nothing more is read
        else:
            self.go_on("order")
        if self.exchange is not None and self._request is not None and self._request.streams:
            self.exchange.upload()

    def _may_begin(self) -> bool:
        """Whether a request waits, is ready, and the client has taken the answers before it."""
        if self._request is not None or not self._waiting or self._lingers:
            return False
        return self._is_next_ready() and self._stalled == NEVER

    def _is_next_ready(self) -> bool:
        request = self._waiting[0]
        return request.complete or request.streams or request.problem is not None

    def _begin(self, request: Request) -> None:
        self._request = request
        self.stays = request.keep_alive and not self.gateway.stopping
        try:
            self._route(request)
        except GatewayError as error:
            self.refuse(error)
        except Exception:
            log.exception("unexpected error")
            text = "An unexpected internal error occurred. Check the logs for more info."
            self.refuse(GatewayError(500, "InternalServerError", text))

    def _route(self, request: Request) -> None:
        if request.problem is not None:
            self.last()
            raise request.problem
        if self._surplus:
            self.last()
            raise unavailable("The gateway has too many connections; try again.", 1)
        if request.target.partition(b"?")[0] == HEALTH:
            self._answer(200, [], self.gateway.health())
            return
        destination, target = self.gateway.table.find(request.target)
        self.exchange = Exchange(self, request, destination, target)
        if destination.cors is not None:
            lines = destination.cors.preflight(request)
            if lines is not None:
                self._answer(204, lines, b"")
                return
        self.exchange.start()

    def _begin_broken(self, error: GatewayError) -> None:
        """Answer to something that never became a request."""
        self._request = self._incoming or Request()
        self.last()
        self.refuse(error)

    def _break(self, error: GatewayError) -> None:
        """What comes is no HTTP: answer what came before, say so, and read no more of it."""
        self._broken = error
        broken = self._incoming
        if broken is None:
            return
        if broken is self._request and self.exchange is not None:
            self.exchange.abandon()
            if self.exchange.head_sent:
                self.cut()
            else:
                self.last()
                self.refuse(error)
        elif self._waiting and self._waiting[-1] is broken:
            self._waiting.pop()

    # --- called by the exchange

    def write(self, data: bytes) -> None:
        """Send, or queue, bytes of an answer."""
        self.transport.write(data)

    def last(self) -> None:
        """Let the answer under way be the last on this connection."""
        self.stays = False

    def refuse(self, error: GatewayError) -> None:
        """Give an answer of the gateway's own to the request under way."""
        lines = [b"retry-after: %d" % error.retry_after] if error.retry_after else []
        exchange, request = self.exchange, self._request
        if exchange is not None and exchange.destination.cors is not None and request is not None:
            lines += exchange.destination.cors.lines(request)
        self._answer(error.status, lines, error.body)

    def _answer(self, status: int, lines: list[bytes], body: bytes) -> None:
        request = self._request
        assert request is not None
        if not request.complete:
            self.last()
        identity = self.exchange.identity if self.exchange else self.gateway.identity(request)
        parts = [STATUS_LINES[status], *lines, b"x-request-id: " + identity]
        if body or status != 204:
            parts += [b"content-type: application/json", b"content-length: %d" % len(body)]
        if not self.stays:
            parts.append(b"connection: close")
        head = b"\r\n".join(parts) + self.gateway.clock.date_lines + b"\r\n\r\n"
        self.write(head if request.method == b"HEAD" else head + body)
        self.answered()

    def answered(self) -> None:
        """The answer under way is written: begin the next, or leave."""
        self._request = self.exchange = None
        self.go_on("upload")
        if not self.stays:
            self._leave()
            return
        if self._incoming is None:
            self._deadline = self.gateway.clock.now + IDLE_CLIENT
        self._pump()

    def _leave(self) -> None:
        """Close. What the client still sends is thrown away for a while, so that it reads us."""
        if self._incoming is None and self._broken is None and not self._waiting:
            self.transport.close()
            return
        self._lingers = True
        self._incoming = None
        self._waiting.clear()
        self._holds.clear()
        self._deadline = self.gateway.clock.now + LINGER
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()

    def cut(self) -> None:
        """End the connection, so that the client sees that its answer is not whole."""
        self.exchange = None
        self.transport.abort()

    def hold(self, why: str) -> None:
        """Read no more until `go_on`."""
        if not self._holds:
            self.transport.pause_reading()
            self._deadline = NEVER
        self._holds.add(why)

    def go_on(self, why: str) -> None:
        """Take a reason not to read away."""
        if why not in self._holds:
            return
        self._holds.discard(why)
        if not self._holds:
            self.transport.resume_reading()
            if self._incoming is not None:
                self._deadline = self.gateway.clock.now + self.gateway.limits.body_timeout

    # --- called by the gateway

    @property
    def is_idle(self) -> bool:
        return self._request is None and self._incoming is None and not self._waiting

    def check(self, now: float) -> None:
        """End what takes too long."""
        if now > self._stalled:
            self.transport.abort()
        if now <= self._deadline:
            return
        if self._lingers:
            self.transport.abort()
        elif self._incoming is not None:
            self._break(GatewayError(408, "RequestTimeout", "The request came too slowly."))
            self._pump()
        elif self.is_idle:
            self.transport.close()

    def stop(self) -> None:
        """The gateway ends: an idle connection closes, another after its answer.

        An idle one stays open for a moment: its client may be sending its next request.
        """
        self.stays = False
        if self.is_idle and not self._lingers:
            asyncio.get_running_loop().call_later(GOODBYE, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.is_idle and not self._lingers:
            self.transport.close()


def health_document(version: int, *, stopping: bool) -> bytes:
    """Return the body of GET /health."""
    state = "stopping" if stopping else "ready"
    return json.dumps({"state": state, "version": version}).encode()
