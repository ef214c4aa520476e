"""The gateway's process: its socket, its clock, its routes, its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving import contract, logs
from serving.contract import MAX_REQUEST_ID
from serving.descriptors import raise_limit
from serving.gateway.answers import Clock, new_request_id
from serving.gateway.client import Client, health_document
from serving.gateway.limits import DRAIN, FILES_OF_OUR_OWN, TICK, Limits
from serving.gateway.request import Request
from serving.gateway.table import Table
from serving.gateway.tls import Certificate, TlsError
from serving.routes import RouteTable

log = logging.getLogger("serving.gateway")

EXIT_BAD_CERTIFICATE = 1
CHECK_EVERY = 10  # ticks between looks at deadlines


class Gateway:
    """What all connections share."""

    def __init__(self, routes: RouteTable, limits: Limits) -> None:
        self.routes, self.limits = routes, limits
        self.table, self.clock = Table(), Clock()
        self.clients: set[Client] = set()
        self.certificate: Certificate | None = None
        self.stopping = False
        self._ticks = 0

    def tick(self, now: float) -> None:
        """Set the clock, apply new routes, and every second end what takes too long."""
        self.clock.set(now)
        self.load()
        self._note()
        self._ticks += 1
        if self._ticks % CHECK_EVERY == 0:
            if self.certificate is not None:
                self.certificate.refresh()
            for client in list(self.clients):
                client.check(now)
            for origin in self.table.origins.values():
                origin.age(now)

    def load(self) -> None:
        """Put routes.json in force if it changed."""
        if self.routes.load():
            self.table.apply(self.routes.services)

    def _note(self) -> None:
        """Say which routes are in force."""
        try:
            self.routes.note()
        except OSError:  # a full disk: routing goes on, and the note is written later
            log.exception("gateway.json could not be written")

    def read_again(self) -> None:
        """SIGHUP: read the certificate again; routes are read when they change."""
        if self.certificate is not None:
            self.certificate.refresh(force=True)

    def welcome(self, client: Client) -> bool:
        """Count a new connection; False: it may only be told that there are too many."""
        self.clients.add(client)
        if len(self.clients) > self.limits.max_connections + FILES_OF_OUR_OWN // 2:
            client.transport.abort()  # there are hardly files left to tell it
        return len(self.clients) <= self.limits.max_connections

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


def connections_allowed(wanted: int) -> int:
    """Raise the limit on open files as far as we may; return how many clients it allows."""
    # A client may need a backend connection of its own.
    files = raise_limit(2 * wanted + FILES_OF_OUR_OWN)
    return wanted if files is None else max(1, min(wanted, (files - FILES_OF_OUR_OWN) // 2))


def run_gateway(
    run_dir: Path,
    host: str,
    port: int,
    *,
    limits: Limits | None = None,
    tls: tuple[Path, Path] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        run_dir: holds routes.json; gateway.json is written there.
        tls: files of certificate and key; they are read again on SIGHUP and when they change.
    Returns:
        contract.EXIT_OK, EXIT_PORT_TAKEN, or EXIT_BAD_CERTIFICATE.
    """
    logs.setup()
    try:
        factory: Any = importlib.import_module("uvloop").new_event_loop
    except ImportError:  # not on Windows
        factory = asyncio.new_event_loop
    try:
        certificate = Certificate(*tls) if tls else None
    except TlsError as error:
        log.error("%s", error)  # noqa: TRY400
        return EXIT_BAD_CERTIFICATE
    limits = limits or Limits()
    limits = replace(limits, max_connections=connections_allowed(limits.max_connections))
    gateway = Gateway(RouteTable(run_dir), limits)
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_serve(gateway, host, port, certificate))


async def _serve(gateway: Gateway, host: str, port: int, certificate: Certificate | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway.certificate = certificate
    loop.add_signal_handler(signal.SIGHUP, gateway.read_again)
    gateway.clock.set(loop.time())
    gateway.load()  # the first request finds its routes
    options: dict[str, Any] = {"backlog": 2048}
    if certificate is not None:
        options |= {
            "ssl": certificate.context,
            "ssl_handshake_timeout": gateway.limits.head_timeout,
        }
    try:
        server = await loop.create_server(lambda: Client(gateway), host, port, **options)
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
