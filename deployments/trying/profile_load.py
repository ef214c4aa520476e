"""Load for a profile: clients that each ask again as soon as they are answered. Raw asyncio.

HTTP/1.1 as the runtime speaks it, and no more: one connection per client, kept alive, answers with
a length or in chunks. A library would cost more than the model.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from urllib.parse import urlsplit

WARM_UP = 0.5  # seconds of a level that do not count
LEAST_ANSWERS = 10  # a level of slow answers lasts until it has so many
END_OF_CHUNKS = b"\r\n0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
LOOK = 0.1  # seconds between looks at the clock
CANCEL_LOOK = 0.3  # and at `cancelled`


@dataclass
class Measured:
    """What the clients of one level saw within its window."""

    seconds: float = 0.0
    times_ms: list[float] = field(default_factory=list)
    failed: int = 0
    failure: str = ""  # the first one


@dataclass(frozen=True)
class Target:
    """Where to post what."""

    host: str
    port: int
    request: bytes


def target_of(url: str, body: bytes, headers: Mapping[str, str]) -> Target:
    """A POST of `body` to an http address."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    lines = [f"POST {parts.path or '/'} HTTP/1.1", f"host: {host}:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
    return Target(host, port, head.encode("latin-1") + body)


class _Level:
    """What the clients of one level share."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.measured = Measured()
        self.counts = False  # within the window
        self.over = False

    def answered(self, seconds: float, status: int) -> None:
        if not self.counts:
            return
        if status == 200:
            self.measured.times_ms.append(seconds * 1000)
        else:
            self.failed(f"An answer had status {status}.")

    def failed(self, why: str) -> None:
        if self.counts:
            self.measured.failed += 1
            self.measured.failure = self.measured.failure or why


class _Client(asyncio.Protocol):
    """One connection; sends the next request when the last answer is whole."""

    def __init__(self, level: _Level) -> None:
        self.level = level
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self._data = b""
        self._sent = 0.0
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def _send(self) -> None:
        assert self.transport is not None
        if self.level.over:
            self.transport.close()
            return
        self._waits, self._data = True, b""
        self._sent = time.perf_counter()
        self.transport.write(self.level.target.request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not _is_whole(self._data):
            return
        self._waits = False
        status = int(self._data[9:12]) if self._data[9:12].isdigit() else 0
        self.level.answered(time.perf_counter() - self._sent, status)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if self._waits and not self.level.over:
            self.level.failed("A connection broke before its answer.")
        if not self.lost.done():
            self.lost.set_result(None)


def _is_whole(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(data, 0, end + 2)
    if length is None:
        return data.endswith(END_OF_CHUNKS)
    return len(data) >= end + 4 + int(length[1])


def run_level(
    target: Target,
    clients: int,
    *,
    seconds: float,
    most_seconds: float,
    cancelled: Callable[[], bool],
    began: Callable[[], None],
) -> Measured:
    """Let `clients` ask for a window of `seconds`, longer where answers are slow.

    Args:
        most_seconds: the window ends by then, however few answers there were.
        began: called when the window begins.
    """
    halt = threading.Event()

    def work() -> Measured:
        return asyncio.run(_run(target, clients, (seconds, most_seconds), halt, began))

    # beside the event loop: Django refuses to ask its database from within one
    with ThreadPoolExecutor(1, thread_name_prefix="profile-load") as pool:
        future = pool.submit(work)
        while not future.done():
            wait([future], timeout=CANCEL_LOOK)
            if not halt.is_set() and cancelled():
                halt.set()
        return future.result()


async def _run(
    target: Target,
    clients: int,
    window: tuple[float, float],
    halt: threading.Event,
    began: Callable[[], None],
) -> Measured:
    seconds, most_seconds = window
    level = _Level(target)
    tasks = [asyncio.create_task(_keep_asking(level)) for _ in range(clients)]
    await asyncio.sleep(min(WARM_UP, seconds / 4))
    began()
    level.counts = True
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < most_seconds and not halt.is_set():
        if spent >= seconds and len(level.measured.times_ms) >= LEAST_ANSWERS:
            break
        await asyncio.sleep(min(LOOK, max(0.01, seconds - spent)))
    level.measured.seconds = time.perf_counter() - start
    level.counts, level.over = False, True
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return level.measured


async def _keep_asking(level: _Level) -> None:
    """One client: connects again when its connection broke, a moment later."""
    loop = asyncio.get_running_loop()
    while not level.over:
        try:
            transport, client = await loop.create_connection(
                lambda: _Client(level), level.target.host, level.target.port
            )
        except OSError as error:
            level.failed(f"No connection: {error}")
            await asyncio.sleep(LOOK)
            continue
        try:
            await client.lost
        finally:
            transport.abort()
