"""One request of the direct lane (`lane.Lane`) and who answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from uvicorn.protocols.http import httptools_impl

if TYPE_CHECKING:
    from serving.lane import Lane


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return headers as they go on the wire; raises ValueError for what no header may hold."""
    lines = []
    for name, value in headers:
        encoded, text = name.encode("latin-1"), value.encode("latin-1")
        if httptools_impl.HEADER_RE.search(encoded) or httptools_impl.HEADER_VALUE_RE.search(text):
            raise ValueError(f"{name!r} is no header, or its value is none")
        lines.append(b"%b: %b\r\n" % (encoded, text))
    return b"".join(lines)


class _NoEvent:
    """Where uvicorn wakes the reader of a body; here nobody reads."""

    def set(self) -> None:
        """Do nothing."""


class Exchange:
    """One request of the direct lane and its answer; to uvicorn it looks like one of its cycles."""

    __slots__ = (
        *("body", "disconnected", "fields", "headers", "keep_alive", "lane", "method"),
        *("on_disconnect", "response_complete", "target"),
    )
    message_event = _NoEvent()

    def __init__(
        self, lane: Lane, method: bytes, target: bytes, fields: dict[bytes, bytes]
    ) -> None:
        self.lane, self.method, self.target = lane, method, target
        self.headers: list[tuple[bytes, bytes]] = lane.headers  # as they came, lower-case names
        self.fields = fields  # the same by name: each came once
        self.body: Any = b""  # whole, once the handler has it
        self.keep_alive = True
        self.disconnected = self.response_complete = False
        self.on_disconnect: Callable[[], None] | None = None  # the handler may set it

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """Send the whole answer; call it once, from the event loop.

        Args:
            headers: complete lines, see `header_lines`; Date and Content-Length are added.
        """
        self.response_complete = True
        self.on_disconnect = None
        transport = self.lane.transport
        if self.disconnected or transport.is_closing():
            return
        keep_alive = self.keep_alive
        transport.write(
            b"%b%b%bcontent-length: %d\r\n%b\r\n%b"
            % (
                httptools_impl.STATUS_LINE[status],
                self.lane.date_line(),
                headers,
                len(body),
                b"" if keep_alive else b"connection: close\r\n",
                body,
            )
        )
        if not keep_alive:
            transport.close()
        self.lane.on_response_complete()


class DirectHandler(Protocol):
    """Who answers the direct lane."""

    def takes(self, method: bytes, target: bytes, length: int) -> bool:
        """Whether to handle a request with this target (path and query) and length of body."""

    def handle(self, exchange: Exchange) -> None:
        """Answer by `exchange.respond`, now or later. Must not raise."""
