"""Bodies of answers that are made while they are sent: a piece in memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest


def body_of(
    request: HttpRequest, pieces: Iterator[bytes]
) -> Iterator[bytes] | AsyncIterator[bytes]:
    """What a StreamingHttpResponse sends piece by piece; `pieces` is closed when nobody takes them.

    A failure in the middle ends the connection, so that nobody takes a part for the whole.
    """
    # under ASGI Django would first read a plain iterator to its end, the whole file in memory
    return _in_thread(pieces) if isinstance(request, ASGIRequest) else pieces


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            await asyncio.to_thread(close)
