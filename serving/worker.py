"""One worker process: uvicorn on the master's socket, the model in a thread.

It never outlives its master: Linux is asked to end it with its parent, and everywhere it watches a
pipe whose other end only the master holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from serving import contract, edge, lane, logs
from serving.app import build
from serving.contract import ReplicaConfig
from serving.direct import DirectScoring
from serving.errors import plain_reason
from serving.files import read_json
from serving.service import Service

log = logging.getLogger("serving.worker")

PR_SET_PDEATHSIG = 1
KEYS_EVERY = 0.3  # seconds; a changed key must be in force within one
METRICS_EVERY = 1.0
ALIVE_EVERY = 1.0  # the master replaces a worker that it hears nothing of
KEEP_ALIVE = 75  # seconds; longer than the gateway keeps its own idle connections
WHILE_LOADING = (
    50_000,
    20,
    50,
)  # collections find next to nothing then, and take a tenth of the time


class WorkerFds(NamedTuple):
    """Descriptors inherited from the master."""

    socket: int
    report: int
    life: int


def run_worker(folder: Path, index: int, fds: WorkerFds, *, master: int, late: bool) -> int:
    """Serve until told to stop; does not return, since a hanging model thread must not hold it."""
    _end_with_master(master, fds.life)
    for descriptor in fds:
        os.set_inheritable(descriptor, False)
    logs.setup()
    logs.tag_prints()
    reporter = Reporter(fds.report)
    code = contract.EXIT_OK
    try:
        config: ReplicaConfig = read_json(folder / contract.CONFIG_FILE)
        listener = socket.socket(fileno=fds.socket)
        _run(_serve(folder, config, index, listener, reporter, late=late))
    except BaseException as error:
        log.exception("the worker ends")
        reporter.send(failure=plain_reason(error))
        code = contract.EXIT_LOAD_FAILED
    _leave(code)
    return code


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one: not on Windows, nor where a model brings a broken one."""
    try:
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    except ImportError:
        log.warning("without uvloop, this service is slower than it could be")
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main)


def _leave(code: int) -> None:
    """End now, without waiting for the model's thread."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _end_with_master(master: int, life_fd: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != master:
            os._exit(1)  # it died before the line above

    def watch() -> None:
        os.read(life_fd, 1)  # returns only at end of file: nobody writes
        os._exit(1)

    threading.Thread(target=watch, name="life", daemon=True).start()


class Reporter:
    """Tells the master, in JSON lines on a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)  # a master that was halted must not halt its workers

    def send(self, **report: Any) -> None:
        """Send one report; a master that is gone is no error, this process follows it."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, json.dumps(report).encode("ascii") + b"\n")


async def _serve(
    folder: Path,
    config: ReplicaConfig,
    index: int,
    listener: socket.socket,
    reporter: Reporter,
    *,
    late: bool,
) -> None:
    def on_stuck(message: str) -> None:
        log.error("%s; this worker is replaced", message)
        reporter.send(failure=message)
        try:
            service.close()
        finally:
            _leave(1)

    service = Service(folder, config, index, on_stuck)
    server = edge.server(_settings(service, config), config)
    # uvicorn raises the signal again once it has drained, for whoever handled it before.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the master's to handle
    loading = asyncio.create_task(_load(service, reporter, server))
    upkeep = asyncio.create_task(_upkeep(service, reporter))
    if late:
        await asyncio.wait({loading})
    await server.serve(sockets=[listener])
    upkeep.cancel()
    service.close()
    if loading.done():
        loading.result()


def _settings(service: Service, config: ReplicaConfig) -> uvicorn.Config:
    return uvicorn.Config(
        edge.with_cors(build(service), config),
        http=lane.protocol(DirectScoring(service) if _is_direct(config) else None),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(config["scoring_timeout_ms"] / 1000) + 1,
    )


def _is_direct(config: ReplicaConfig) -> bool:
    """Scripts choose their statuses and headers, and CORS is the application's to answer."""
    return config["loader"] != "script" and not edge.origins(config)


async def _load(service: Service, reporter: Reporter, server: uvicorn.Server) -> None:
    usual = gc.get_threshold()
    gc.set_threshold(*WHILE_LOADING)
    try:
        await service.load()
    except BaseException:
        server.should_exit = True
        raise
    finally:
        gc.set_threshold(*usual)
    # The model stays for ever: do not let the collector walk over it again and again. Not even
    # now: it finds next to nothing, and the first answer would wait for it.
    gc.freeze()
    reporter.send(load_seconds=service.load_seconds, auth_version=service.keys.version)


async def _upkeep(service: Service, reporter: Reporter) -> None:
    loop = asyncio.get_running_loop()
    saved = told = loop.time()
    while True:
        if loop.time() - told > ALIVE_EVERY:
            told = loop.time()
            reporter.send(alive=True)
        if service.keys.refresh():
            reporter.send(auth_version=service.keys.version)
        if loop.time() - saved > METRICS_EVERY:
            saved = loop.time()
            with contextlib.suppress(OSError):  # a full disk must not end the service
                service.metrics.save()
        await asyncio.sleep(KEYS_EVERY)
