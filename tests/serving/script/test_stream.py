"""A streamed answer holds the model thread no longer than its client takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from serving.errors import ServingError
from serving.script import stream
from serving.script.response import Result
from serving.script.stream import Stream

PIECE = b"x" * 100_000


class Pieces:
    """An iterator of so many pieces, which notes that it was closed."""

    def __init__(self, count: int) -> None:
        self.left, self.closed = count, False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return PIECE

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STALLED_SECONDS", 0.3)
    monkeypatch.setattr(stream, "MAX_BUFFERED", 300_000)


async def test_a_client_that_takes_nothing_loses_its_stream() -> None:
    pieces, made = Pieces(10), Stream(asyncio.get_running_loop())
    result = Result(200, [], pieces, failed=False)

    try:
        await asyncio.wait_for(asyncio.to_thread(made.pump, result, 1.0), 5)
    finally:
        made.abandon()  # or the thread would stay

    assert pieces.closed
    assert pieces.left > 0
    with pytest.raises(ServingError):
        async for _ in made.pieces():
            pass


async def test_a_client_that_reads_slowly_gets_it_all() -> None:
    pieces, made = Pieces(10), Stream(asyncio.get_running_loop())
    result = Result(200, [], pieces, failed=False)
    pumping = asyncio.create_task(asyncio.to_thread(made.pump, result, 1.0))
    got = 0
    async for piece in made.pieces():
        got += len(piece)
        await asyncio.sleep(0.1)

    assert got == 10 * len(PIECE)
    await pumping
