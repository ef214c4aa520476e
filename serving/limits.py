"""Bodies within their size, and requests waiting their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable

from serving.errors import ServingError


def check_length(declared: str | None, limit: int) -> None:
    """Raise ServingError 413 when the declared Content-Length is above `limit` bytes."""
    if declared is not None and declared.isdigit() and int(declared[:20]) > limit:
        raise too_large(limit)


def too_large(limit: int) -> ServingError:
    """Return the 413 for a body above `limit` bytes."""
    return ServingError(413, f"The body is larger than {limit} bytes, the limit of this service.")


async def read_body(blocks: AsyncIterable[bytes], declared: str | None, limit: int) -> bytes:
    """Return the whole body; raises ServingError 413 as soon as it is known to be too large."""
    check_length(declared, limit)
    body = bytearray()
    async for block in blocks:
        body += block
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


class Gate:
    """Lets `slots` requests in at once; the others wait in order, each for a limited time."""

    def __init__(self, slots: int) -> None:
        self._free = max(1, slots)
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, seconds: float) -> bool:
        """Wait up to `seconds` for a slot; returns whether there was one."""
        if self._free and not self._waiting:
            self._free -= 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait({turn}, timeout=max(0.0, seconds))
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        if turn.done():
            return True
        self._give_up(turn)
        return False

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self.leave()
        else:
            self._waiting.remove(turn)

    def leave(self) -> None:
        """Give the slot to the next in the queue."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._free += 1
