"""Load from one process: N clients, each asks again as soon as it was answered."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import aiohttp

from benchmarks.servers import Server


@dataclass(frozen=True)
class Result:
    """Requests per second, and milliseconds of the middle and the slowest hundredth."""

    rate: float
    p50: float
    p99: float


def measure(server: Server, body: bytes, clients: int, seconds: float) -> Result:
    """Ask for `seconds`; every answer must be 200.

    Raises:
        RuntimeError: an answer had another status.
    """
    return asyncio.run(_measure(server, body, clients, seconds))


async def _measure(server: Server, body: bytes, clients: int, seconds: float) -> Result:
    times: list[float] = []
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector, headers=server.headers) as session:
        await _ask(session, server.url, body)  # a connection and warm caches
        begun = time.perf_counter()
        end = begun + seconds

        async def client() -> None:
            while (start := time.perf_counter()) < end:
                await _ask(session, server.url, body)
                times.append(time.perf_counter() - start)

        await asyncio.gather(*(client() for _ in range(clients)))
        took = time.perf_counter() - begun
    times.sort()
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    return Result(len(times) / took, statistics.median(times) * 1000, p99 * 1000)


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    async with session.post(url, data=body) as answer:
        await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{url} answered {answer.status}")
