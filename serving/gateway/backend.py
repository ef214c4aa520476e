"""Connections to backends: kept open, used again, and read by httptools' response parser."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult

import httptools

from serving.gateway.limits import (
    CONNECT_TIMEOUT,
    IDLE_BACKEND,
    MAX_ANSWER_HEAD,
    SMALL,
    WRITE_BUFFER,
)
from serving.gateway.request import USUAL, tokens, without

if TYPE_CHECKING:
    from serving.gateway.exchange import Exchange

log = logging.getLogger("serving.gateway")

NEVER = float("inf")
BYTES_ACKED = 120  # offset of tcpi_bytes_acked, u64, in struct tcp_info of <linux/tcp.h>


class Answer:
    """One answer of a backend, while it comes in."""

    status = 0
    length: int | None = None
    chunked = keep_alive = head_ended = complete = False
    bytes_of_head = 0

    def __init__(self) -> None:
        self.lines: list[bytes] = []  # `name: value`, as they came, to be passed on
        self.blocks: list[bytes] = []  # of the body, not yet passed on
        self.connection: list[bytes] = []  # what Connection names

    @property
    def is_short(self) -> bool:
        return self.length is not None and self.length <= SMALL


def _drop(_: Answer, value: bytes) -> None:
    """Hop by hop, written anew here, or the studio's alone (cookies)."""


def _length(answer: Answer, value: bytes) -> None:
    answer.length = int(value)  # the parser has checked it


def _encoding(answer: Answer, value: bytes) -> None:
    if value.strip().lower() != b"chunked":
        raise ValueError("an unknown Transfer-Encoding")
    answer.chunked = True


def _connection(answer: Answer, value: bytes) -> None:
    if value not in USUAL:
        answer.connection += tokens(value)


NOTES: dict[bytes, Callable[[Answer, bytes], None]] = {
    b"connection": _connection,
    b"content-length": _length,
    b"date": _drop,
    b"keep-alive": _drop,
    b"proxy-authenticate": _drop,
    b"proxy-connection": _drop,
    b"server": _drop,
    b"set-cookie": _drop,
    b"te": _drop,
    b"trailer": _drop,
    b"transfer-encoding": _encoding,
    b"upgrade": _drop,
    b"x-request-id": _drop,
}


class Connection(asyncio.Protocol):
    """One connection to a backend; it serves one exchange at a time."""

    transport: asyncio.Transport

    def __init__(self, origin: Origin, opened: socket.socket) -> None:
        self.origin, self._socket = origin, opened
        self.exchange: Exchange | None = None
        self.answer = Answer()
        self.parser = httptools.HttpResponseParser(self)
        self.idle_since = 0.0
        self.is_open = False
        self.is_used = False  # it has served before
        self.excess = False  # it said more than it was asked
        self._held = False
        self._sent = self._sent_before = 0  # bytes, ever and before this exchange
        self._acked_at_first = _acked(opened)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.is_open = True

    def begin(self, exchange: Exchange) -> None:
        """Serve `exchange` until `end`."""
        self.exchange = exchange
        self.answer = Answer()
        self._sent_before = self._sent

    def write(self, data: bytes) -> None:
        """Send, or queue, bytes of a request."""
        self._sent += len(data)
        self.transport.write(data)

    def hold(self) -> None:
        """Read no more until `go_on`."""
        if not self._held:
            self._held = True
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._held:
            self._held = False
            self.transport.resume_reading()

    def end(self, *, reuse: bool) -> None:
        """The exchange is over; keep the connection for another, or close it."""
        self.exchange = None
        self.is_used = True
        self.go_on()
        if reuse and self.is_open and not self.excess and self.answer.keep_alive:
            self.origin.keep(self)
        else:
            self.close()

    def spare(self) -> None:
        """Whom it was opened for is gone; it has served nobody yet."""
        self.answer.keep_alive = True
        self.end(reuse=True)

    def close(self) -> None:
        """Cut it: nothing of ours is on its way any more, or nobody wants it."""
        self.is_open = False
        self.transport.abort()

    @property
    def is_stale(self) -> bool:
        """Whether the backend has closed it, and the event loop does not know yet."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True  # the end, or bytes that nobody asked for

    @property
    def was_untouched(self) -> bool:
        """Whether the backend cannot have seen any byte of this exchange's request.

        The other side's kernel acknowledges what it takes in, and a socket that was closed takes
        nothing in: it resets. So when the connection is gone and no byte was acknowledged, no
        program has read one (RFC 9110 §9.2.2 allows to send such a request again).
        """
        if self._acked_at_first is None or self.origin.tls is not None:
            return False
        now = _acked(self._socket)
        return now is not None and now - self._acked_at_first <= self._sent_before

    # --- called by the event loop

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.excess = True  # nobody asked: it cannot be trusted with another request
            self.close()
            return
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            log.warning("%s answered what is no HTTP: %s", self.origin.url, error)
            exchange.nonsense()
            return
        if self.answer.head_ended:
            exchange.relay(self.answer)

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.hold_upload()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.go_on_uploading()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if error is not None and self.exchange is not None:
            self._read_rest()
        exchange, answer = self.exchange, self.answer
        if exchange is None:
            self.origin.forget(self)
            return
        untouched = self.was_untouched
        self.exchange = None
        self.is_used, used = True, self.is_used
        until_end = answer.head_ended and answer.length is None and not answer.chunked
        if until_end and error is None and not answer.complete:
            answer.complete = True
            exchange.relay(answer)
        else:
            exchange.lost(self.origin, untouched=untouched, used=used)

    def _read_rest(self) -> None:
        """Read what came before the error: a refused upload breaks off with its answer unread."""
        with contextlib.suppress(OSError):
            while self.exchange is not None and (data := self._socket.recv(SMALL)):
                self.data_received(data)

    # --- called by the parser

    def on_message_begin(self) -> None:
        self.excess = self.excess or self.answer.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        answer = self.answer
        if answer.head_ended or self.excess:
            return  # a trailer
        note = NOTES.get(name.lower())
        if note is None:
            answer.lines.append(name + b": " + value)
            answer.bytes_of_head += len(value)
            if answer.bytes_of_head > MAX_ANSWER_HEAD:
                raise ValueError("the head is too large")
        else:
            note(answer, value)

    def on_headers_complete(self) -> None:
        answer = self.answer
        if self.excess:
            return
        answer.status = self.parser.get_status_code()
        if answer.status == 101:
            raise ValueError("it changed the protocol, which nobody asked for")
        if answer.status < 200:
            return  # the real one follows
        answer.head_ended = True
        answer.keep_alive = self.parser.should_keep_alive()
        if answer.connection:
            answer.lines = without(answer.lines, answer.connection)
        if self.exchange is not None and self.exchange.request.method == b"HEAD":
            answer.complete = True
            self.parser = httptools.HttpResponseParser(self)  # this one waits for a body

    def on_body(self, block: bytes) -> None:
        if self.answer.complete:
            self.excess = True
        else:
            self.answer.blocks.append(block)

    def on_message_complete(self) -> None:
        if self.answer.head_ended:
            self.answer.complete = True
        elif not self.excess:
            self.answer = Answer()  # 1xx: the real one follows


def _acked(opened: socket.socket) -> int | None:
    """Bytes of ours that the other side's kernel has acknowledged; None where nobody says."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        info = opened.getsockopt(socket.IPPROTO_TCP, option, 256)
        return int(struct.unpack_from("=Q", info, BYTES_ACKED)[0])
    except (OSError, struct.error):
        return None


class Origin:
    """One backend address, with its idle connections."""

    def __init__(self, url: SplitResult) -> None:
        self.url = url.geturl()
        self.host = url.hostname or ""
        self.port = url.port or (443 if url.scheme == "https" else 80)
        self.tls = ssl.create_default_context() if url.scheme == "https" else None
        self.base = url.path.rstrip("/").encode()
        self.host_line = b" HTTP/1.1\r\nhost: " + url.netloc.rpartition("@")[2].encode()
        self.idle: list[Connection] = []
        self.down_until = 0.0
        self.retired = False
        self._dialling: set[asyncio.Task[None]] = set()

    def take(self) -> Connection | None:
        """Return the connection used last, or None; the others age, and are closed."""
        return self.idle.pop() if self.idle else None

    def keep(self, connection: Connection) -> None:
        """Take back a connection that may serve again."""
        if self.retired:
            connection.close()
        else:
            connection.idle_since = NEVER
            self.idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Note that an idle connection is gone."""
        with contextlib.suppress(ValueError):
            self.idle.remove(connection)

    def age(self, now: float) -> None:
        """Close what has been idle for too long, counted from the first look at it."""
        while self.idle and self.idle[0].idle_since <= now - IDLE_BACKEND:
            self.idle.pop(0).close()
        for connection in self.idle:
            connection.idle_since = min(connection.idle_since, now)

    def retire(self) -> None:
        """No route leads here any more: what is under way ends, and nothing is kept."""
        self.retired = True
        while self.idle:
            self.idle.pop().close()

    def dial(self, exchange: Exchange) -> None:
        """Open a connection for `exchange`, and tell it `connected` or `unreachable`."""
        task = asyncio.get_running_loop().create_task(self._dial(exchange))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, exchange: Exchange) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                connection = await self._connect()
        except (OSError, TimeoutError) as error:
            log.warning("no connection to %s: %s", self.url, error or "no answer in time")
            exchange.unreachable(self)
        else:
            exchange.connected(connection)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        error: OSError | None = None
        found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            opened = socket.socket(family, kind, protocol)
            try:
                opened.setblocking(False)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(opened, address)
                return await self._protocol(loop, opened)
            except OSError as one:
                opened.close()
                error = one
            except BaseException:  # cancelled: the time is over
                opened.close()
                raise
        raise error or OSError("the name has no address")

    async def _protocol(self, loop: asyncio.AbstractEventLoop, opened: socket.socket) -> Connection:
        tls: dict[str, Any] = {"ssl": self.tls, "server_hostname": self.host} if self.tls else {}
        _, connection = await loop.create_connection(
            lambda: Connection(self, opened), sock=opened, **tls
        )
        return connection
