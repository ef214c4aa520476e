"""One request on its way through a backend, and its answer on the way back.

Plain callbacks, no task: a small request and its small answer cost one write each way.

Sending again. A request goes to another connection only if no backend can have seen any of it: a
connection that could not be opened, or one that the other side had closed before it took in a
single byte (`Connection.was_untouched`). Everything else that is lost before its answer is a 503.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from serving.gateway.answers import (
    CONTINUE,
    STATUS_LINES,
    GatewayError,
    new_request_id,
    too_large,
    unavailable,
)

if TYPE_CHECKING:
    from serving.gateway.backend import Answer, Connection, Origin
    from serving.gateway.client import Client
    from serving.gateway.request import Request
    from serving.gateway.table import Destination

log = logging.getLogger("serving.gateway")

NO_BODY = frozenset({204, 304})
CORS_HEADERS = b"access-control-"


class Exchange:
    """One request that was routed. Its client is told by `answered` or `refuse` how it ended."""

    connection: Connection | None = None
    head_sent = False
    _place = 0  # in _origins: the backend being tried
    _body = b""  # kept until the answer, so that it can be sent again
    _uploaded = False
    _framed = False  # the answer goes to the client in chunks
    _passed = 0  # bytes of the answer's body, so far

    def __init__(
        self, client: Client, request: Request, destination: Destination, target: bytes
    ) -> None:
        self.client, self.request, self.destination = client, request, destination
        self.target = target
        self.identity = request.identity or new_request_id()
        self.limit = destination.limit or client.gateway.limits.max_body_bytes
        self._origins: list[Origin] = []

    def start(self) -> None:
        """Send it; raises GatewayError when it need not be sent at all."""
        request = self.request
        if request.length is not None and request.length > self.limit:
            raise too_large(self.limit)
        self._origins = self.destination.order(self.client.gateway.clock.now)
        if not request.streams and request.blocks:
            self._body = b"".join(request.blocks)
            request.blocks = []
        self._try(fresh=False)

    def _try(self, *, fresh: bool) -> None:
        origin = self._origins[self._place]
        connection = None if fresh else origin.take()
        while connection is not None and self.request.streams and connection.is_stale:
            connection.close()  # a streamed body cannot be sent again, so it is worth a look
            connection = origin.take()
        if connection is None:
            if self.request.streams:
                self.client.hold("upload")
            origin.dial(self)
        else:
            self._send(connection)

    def connected(self, connection: Connection) -> None:
        """The connection that was asked for is there."""
        if self.client.exchange is self:
            self._send(connection)
        else:
            connection.spare()

    def unreachable(self, origin: Origin) -> None:
        """The connection that was asked for cannot be had: try the next backend."""
        origin.down_until = self.client.gateway.clock.down_until
        if self.client.exchange is not self:
            return
        self._place += 1
        if self._place < len(self._origins):
            self._try(fresh=False)
        else:
            self.client.refuse(unavailable("The service cannot be reached now; try again.", 2))

    def _send(self, connection: Connection) -> None:
        self.connection = connection
        connection.begin(self)
        request = self.request
        if not request.streams:
            self._uploaded = True
            connection.write(self._head(connection.origin) + self._body)
            return
        connection.write(self._head(connection.origin))
        if request.expects and not request.received:
            request.expects = False
            self.client.write(CONTINUE)
        self.client.go_on("upload")
        self.upload()

    def _head(self, origin: Origin) -> bytes:
        request = self.request
        parts = [
            request.method + b" " + origin.base + self.target + origin.host_line,
            *request.lines,
            b"x-request-id: " + self.identity,
            b"x-forwarded-host: " + request.host,
        ]
        if request.chunked:
            parts.append(b"transfer-encoding: chunked")
        elif request.length is not None:
            parts.append(b"content-length: %d" % request.length)
        tail = self.client.forwarded + self.destination.prefix_line + b"\r\n\r\n"
        return b"\r\n".join(parts) + tail

    # --- the request's body, when it is streamed

    def upload(self) -> None:
        """Pass on what has come of the body."""
        request, connection = self.request, self.connection
        if connection is None or self._uploaded or not request.streams:
            return
        if request.received > self.limit:
            self._fail(too_large(self.limit))
            return
        block, request.blocks = b"".join(request.blocks), []
        if request.chunked and block:
            block = b"%x\r\n%b\r\n" % (len(block), block)
        if request.complete:
            self._uploaded = True
            block += b"0\r\n\r\n" if request.chunked else b""
        if block:
            connection.write(block)

    def hold_upload(self) -> None:
        """The backend takes no more for now."""
        if not self._uploaded:
            self.client.hold("upload")

    def go_on_uploading(self) -> None:
        """The backend takes bytes again."""
        self.client.go_on("upload")

    # --- the answer

    def relay(self, answer: Answer) -> None:
        """Pass on what has come of the answer."""
        if not self.head_sent and answer.is_short and not answer.complete:
            return  # whole, or a 503: so a short answer never breaks off at the client
        body, answer.blocks = b"".join(answer.blocks), []
        self._passed += len(body)
        declared = answer.length or 0 if self.request.method != b"HEAD" else 0
        if max(self._passed, declared) > self.client.gateway.limits.max_answer_bytes:
            log.warning("an answer of %s is too large", self.destination.name)
            text = "The service's answer is larger than the gateway passes on."
            self._fail(GatewayError(502, "AnswerTooLarge", text))
            return
        if self.head_sent:
            data = self._frame(body, answer) if self._framed else body
        else:
            data = self._answer_head(answer, len(body)) + (
                self._frame(body, answer) if self._framed else body
            )
            self.head_sent = True
        if data:
            self.client.write(data)
        if answer.complete:
            self._finish()

    def _frame(self, body: bytes, answer: Answer) -> bytes:
        block = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return block + b"0\r\n\r\n" if answer.complete else block

    def _answer_head(self, answer: Answer, size: int) -> bytes:
        request, client = self.request, self.client
        lines = answer.lines
        if self.destination.cors is not None:
            lines = [line for line in lines if not line[:15].lower().startswith(CORS_HEADERS)]
            lines += self.destination.cors.lines(request)
        parts = [STATUS_LINES[answer.status], *lines, b"x-request-id: " + self.identity]
        if not request.complete:
            client.last()  # it answers before it has the whole request
        if answer.length is not None:
            parts.append(b"content-length: %d" % answer.length)
        elif answer.status in NO_BODY or request.method == b"HEAD":
            pass
        elif answer.complete:
            parts.append(b"content-length: %d" % size)
        elif request.version == "1.1":
            parts.append(b"transfer-encoding: chunked")
            self._framed = True
        else:
            client.last()  # its end is the end of the connection
        if not client.stays:
            parts.append(b"connection: close")
        return b"\r\n".join(parts) + client.gateway.clock.date_lines + b"\r\n\r\n"

    def _finish(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.end(reuse=self._uploaded)
        self.client.answered()

    # --- what goes wrong

    def lost(self, origin: Origin, *, untouched: bool, used: bool) -> None:
        """The backend's connection is gone before its answer was whole."""
        self.connection = None
        can_repeat = not (self.head_sent or (self.request.streams and self.request.received))
        if untouched and can_repeat:
            self._uploaded = False
            if used:
                self._try(fresh=True)  # it had been idle for too long
            else:
                self.unreachable(origin)  # something accepts and closes: nobody is behind it
            return
        log.warning("%s broke off without a whole answer", self.destination.name)
        text = "The service closed the connection without an answer; try again."
        self._fail(unavailable(text, 1))

    def nonsense(self) -> None:
        """The backend's bytes are no HTTP."""
        self._fail(GatewayError(502, "BadGateway", "The service's answer is no HTTP."))

    def _fail(self, error: GatewayError) -> None:
        """End with `error`; an answer that has begun is cut instead, so that it is seen."""
        self._drop()
        if self.head_sent:
            self.client.cut()
        else:
            self.client.refuse(error)

    def abandon(self) -> None:
        """The client is gone, or its request broken: the backend hears no end of it."""
        self._drop()

    def _drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.end(reuse=False)

    def hold_answer(self) -> None:
        """The client takes no more for now."""
        if self.connection is not None:
            self.connection.hold()

    def go_on_answering(self) -> None:
        """The client takes bytes again."""
        if self.connection is not None:
            self.connection.go_on()
