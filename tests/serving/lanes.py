"""A uvicorn server with the direct lane, in this process, and a client that speaks bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn

from serving.exchange import Exchange
from serving.lane import protocol

DIRECT, CYCLE = "direct", "cycle"


class Handler:
    """Answers /score on the direct lane with the body it got; may be told to hold the answer."""

    def __init__(self) -> None:
        self.held: list[Exchange] = []
        self.holds = False
        self.handled = 0
        self.gone = 0

    def takes(self, method: bytes, target: bytes, length: int) -> bool:
        return target == b"/score"

    def handle(self, exchange: Exchange) -> None:
        self.handled += 1
        if self.holds:
            self.held.append(exchange)
            exchange.on_disconnect = self._gone
        else:
            self.answer(exchange)

    def _gone(self) -> None:
        self.gone += 1

    def answer(self, exchange: Exchange) -> None:
        exchange.respond(200, b"x-way: direct\r\n", exchange.body)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body, by the ASGI cycle."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    headers = [(b"x-way", b"cycle"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Running:
    """A running server; `handler` is its end of the direct lane, unless that is not `direct`."""

    def __init__(self, *, direct: bool = True, **settings: Any) -> None:
        self.handler = Handler()
        config = uvicorn.Config(
            app,
            http=protocol(self.handler if direct else None),
            ws="none",
            lifespan="off",
            log_config=None,
            port=0,
            timeout_graceful_shutdown=5,
            **settings,
        )
        self.server = uvicorn.Server(config)
        self.server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self.server._serve())
        await until(lambda: self.server.started, "the server has started")

    @property
    def port(self) -> int:
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        assert self.task is not None
        self.server.should_exit = True
        await asyncio.wait_for(self.task, 10)

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return Client(reader, writer)


class Answer:
    """What came back: status, headers by lower-case name, body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def way(self) -> str:
        return self.headers["x-way"]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one answer; raises IncompleteReadError when there is none."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await asyncio.wait_for(
            self.reader.readexactly(int(headers.get("content-length", 0))), 10
        )
        return Answer(int(first.split()[1]), headers, body)

    async def ended(self) -> bool:
        """Wait for the server to close; returns whether nothing more came."""
        with contextlib.suppress(ConnectionResetError):
            return not await asyncio.wait_for(self.reader.read(1), 10)
        return True

    def close(self) -> None:
        self.writer.transport.abort()


def post(body: bytes, *headers: str, path: str = "/score", version: str = "1.1") -> bytes:
    """A request's bytes; headers beside Host and Content-Length as "name: value"."""
    lines = [f"POST {path} HTTP/{version}", "host: here", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def until(true: Callable[[], Any], what: str, seconds: float = 5) -> None:
    """Wait until `true` returns something; fails with `what` after the deadline."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    """A server for the length of a block; `settings` are uvicorn's."""
    server = Running(**settings)
    await server.start()
    try:
        yield server
    finally:
        if server.task is not None and not server.task.done():
            server.server.force_exit = True
            await server.stop()
