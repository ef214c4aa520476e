"""The gateway's process: its socket, its clock, its routes, its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import resource
import signal
import ssl
from pathlib import Path
from typing import Any

from serving import contract, logs
from serving.contract import MAX_BODY_BYTES, MAX_REQUEST_ID
from serving.gateway.answers import Clock, new_request_id
from serving.gateway.client import Client, health_document
from serving.gateway.limits import (
    DRAIN,
    FILES_OF_OUR_OWN,
    MAX_ANSWER_BYTES,
    MAX_CONNECTIONS,
    TICK,
)
from serving.gateway.request import Request
from serving.gateway.table import Table
from serving.routes import RouteTable

log = logging.getLogger("serving.gateway")

CHECK_EVERY = 10  # ticks between looks at deadlines


class Gateway:
    """What all connections share."""

    def __init__(
        self,
        routes: RouteTable,
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.routes, self.table, self.clock = routes, Table(), Clock()
        self.max_body_bytes, self.max_answer_bytes = max_body_bytes, max_answer_bytes
        self.max_connections = max_connections
        self.clients: set[Client] = set()
        self.stopping = False
        self._ticks = 0

    def tick(self, now: float) -> None:
        """Set the clock, apply new routes, and every second end what takes too long."""
        self.clock.set(now)
        self.load()
        self._ticks += 1
        if self._ticks % CHECK_EVERY == 0:
            for client in list(self.clients):
                client.check(now)
            for origin in self.table.origins.values():
                origin.age(now)

    def load(self) -> None:
        """Put routes.json in force if it changed, and note which one it is."""
        if self.routes.load():
            self.table.apply(self.routes.services)
        try:
            self.routes.note()
        except OSError:  # a full disk: routing goes on, and the note is written later
            log.exception("gateway.json could not be written")

    def welcome(self, client: Client) -> bool:
        """Count a new connection; False: it may only be told that there are too many."""
        self.clients.add(client)
        if len(self.clients) > self.max_connections + FILES_OF_OUR_OWN // 2:
            client.transport.abort()  # there are hardly files left to tell it
        return len(self.clients) <= self.max_connections

    def health(self) -> bytes:
        """Return the body of GET /health."""
        return health_document(self.routes.version, stopping=self.stopping)

    def identity(self, request: Request) -> bytes:
        """Return the id of a request that goes to no backend."""
        given = request.identity
        return given if 0 < len(given) <= MAX_REQUEST_ID else new_request_id()

    async def drain(self, seconds: float) -> None:
        """Let requests under way end, at most `seconds` long, and close every connection."""
        self.stopping = True
        end = asyncio.get_running_loop().time() + seconds
        for client in list(self.clients):
            client.stop()
        while self.clients and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(TICK / 2)
            self.clock.set(asyncio.get_running_loop().time())
        for client in list(self.clients):
            client.cut()


def connections_allowed() -> int:
    """Raise the limit on open files as far as we may; return how many clients it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS + FILES_OF_OUR_OWN
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if limit > soft:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            soft = limit
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    # A client may need a connection to a backend of its own.
    return max(1, min(MAX_CONNECTIONS, (soft - FILES_OF_OUR_OWN) // 2))


def run_gateway(
    run_dir: Path,
    host: str,
    port: int,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> int:
    """Serve until SIGTERM or SIGINT, then drain; returns contract.EXIT_OK or EXIT_PORT_TAKEN."""
    logs.setup()
    try:
        factory: Any = importlib.import_module("uvloop").new_event_loop
    except ImportError:  # not on Windows
        factory = asyncio.new_event_loop
    gateway = Gateway(
        RouteTable(run_dir), max_body_bytes=max_body_bytes, max_connections=connections_allowed()
    )
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_serve(gateway, host, port, None))


async def _serve(gateway: Gateway, host: str, port: int, tls: ssl.SSLContext | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway.clock.set(loop.time())
    try:
        server = await loop.create_server(
            lambda: Client(gateway), host, port, backlog=2048, ssl=tls
        )
    except OSError as error:
        log.error("port %d on %s cannot be used: %s", port, host, error)  # noqa: TRY400
        return contract.EXIT_PORT_TAKEN
    log.info("gateway listens on %s port %d", host, port)
    gc.freeze()  # what is there now stays; the collector need not look at it again
    while not stop.is_set():
        gateway.tick(loop.time())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK)
    server.close()
    await gateway.drain(DRAIN)
    return contract.EXIT_OK
