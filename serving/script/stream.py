"""A streamed answer: produced in the model thread, sent by the event loop, bounded between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from serving.errors import ServingError
from serving.script.response import Result, piece

MAX_BUFFERED = 4 * 1024 * 1024  # bytes that wait for a slow client, before the script waits

STALLED_SECONDS = 10.0  # in which a client takes nothing, before its stream is given up
log = logging.getLogger("serving.script")


class Head(NamedTuple):
    """What is known when the first piece is there."""

    result: Result
    milliseconds: float


class Stream:
    """Carries the pieces of one answer from the model thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.started: asyncio.Future[Head] = loop.create_future()
        self._queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self._room = threading.Condition()
        self._buffered = 0
        self._abandoned = False

    # --- in the model thread ------------------------------------------------------------------

    def pump(self, result: Result, milliseconds: float) -> None:
        """Take every piece of the result's iterator; raises what it raises.

        Ends early, closing the iterator, when nobody listens any more.
        """
        pieces: Iterator[Any] = result.body  # type: ignore[assignment]
        try:
            began = False
            for value in pieces:
                data, media_type = piece(value)
                if not began:
                    began = True
                    self._begin(result, milliseconds, media_type)
                if not self._put(data):
                    return
            if not began:
                self._begin(result, milliseconds, "text/plain; charset=utf-8")
            self._send(None)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _begin(self, result: Result, milliseconds: float, media_type: str) -> None:
        if not any(name == "content-type" for name, _ in result.headers):
            result = result._replace(headers=[*result.headers, ("content-type", media_type)])
        head = Head(result, milliseconds)
        self._call(lambda: self._start(head))

    def _put(self, data: bytes) -> bool:
        with self._room:
            while not self._abandoned and self._buffered >= MAX_BUFFERED:
                # Woken whenever a piece is taken: a client that reads slowly may go on.
                if not self._room.wait(STALLED_SECONDS):
                    self._abandoned = True
                    self._call(self._cut)
            if self._abandoned:
                return False
            self._buffered += len(data)
        self._send(data)
        return True

    def _send(self, item: bytes | None) -> None:
        self._call(lambda: self._queue.put_nowait(item))

    def _call(self, function: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker ends
            self._loop.call_soon_threadsafe(function)

    def _start(self, head: Head) -> None:
        if not self.started.done():
            self.started.set_result(head)

    def _cut(self) -> None:
        log.warning("a stream is cut: its client took nothing for %g s", STALLED_SECONDS)
        while not self._queue.empty():
            self._queue.get_nowait()
        self.fail(ServingError(500, "The client did not take the answer."))

    # --- in the event loop --------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Let whoever reads the pieces see an error next."""
        self._queue.put_nowait(error)

    def abandon(self) -> None:
        """Nobody listens any more: the script's iterator is closed at its next piece."""
        with self._room:
            self._abandoned = True
            self._room.notify_all()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the pieces; raises what `fail` was given."""
        try:
            while (item := await self._queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                with self._room:
                    self._buffered -= len(item)
                    self._room.notify_all()
                yield item
        finally:
            self.abandon()
