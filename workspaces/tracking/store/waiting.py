"""Holds MLflow's own clients to the limit of the page that they work for.

MLflow's HTTP client has one timeout for the whole process, and PostgreSQL's has none for a server
that falls silent: both are given a connection of ours, which asks `workspaces.deadline`.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Generator
from functools import cache
from typing import Any

from workspaces import deadline

SILENCE_S = 4.0  # that a page endures from a database in the middle of a query
LAST_WORD_S = 0.3  # for the others, once the page has given up


def http_bound() -> None:
    """From now on MLflow's HTTP calls end with their page's limit. Once per process is enough."""
    from mlflow.utils import request_utils

    ours = _http_adapter(request_utils.TCPKeepAliveHTTPAdapter)
    if request_utils.TCPKeepAliveHTTPAdapter is not ours:
        request_utils.TCPKeepAliveHTTPAdapter = ours
        request_utils._cached_get_request_session.cache_clear()


@cache
def _http_adapter(base: Any) -> Any:
    if getattr(base, "ends_with_page", False):
        return base
    import requests
    import urllib3

    class Adapter(base):  # type: ignore[misc]
        """MLflow's own, with a shorter timeout when less is left to the page."""

        ends_with_page = True

        def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
            super().init_poolmanager(*sizes, **options)
            self.poolmanager.pool_classes_by_scheme = _pools()

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **options)
            manager.pool_classes_by_scheme = _pools()
            return manager

        def send(
            self,
            request: Any,
            stream: bool = False,
            timeout: Any = None,
            *rest: Any,
            **options: Any,
        ) -> Any:
            left = deadline.seconds_left()
            if left is None:
                return super().send(request, stream, timeout, *rest, **options)
            if left == 0:
                raise requests.exceptions.ReadTimeout("timed out before it was asked")
            one = min(timeout, left) if isinstance(timeout, int | float) else left
            both = urllib3.Timeout(total=left, connect=one, read=one)
            return super().send(request, stream, both, *rest, **options)

    return Adapter


@cache
def _pools() -> dict[str, Any]:
    """urllib3's pools by scheme, of connections whose answers are an `_Answer`."""
    from urllib3 import poolmanager

    def bound(pool: Any) -> Any:
        connection = type("Bound", (pool.ConnectionCls,), {"response_class": _Answer})
        return type("BoundPool", (pool,), {"ConnectionCls": connection})

    return {name: bound(pool) for name, pool in poolmanager.pool_classes_by_scheme.items()}


class _Answer(http.client.HTTPResponse):
    """The standard library's own; its timeouts are for one packet, which may hold one byte."""

    def __init__(self, sock: socket.socket, *rest: Any, **options: Any) -> None:
        super().__init__(sock, *rest, **options)
        packets: Any = self.fp
        self.fp = io.BufferedReader(_Packets(packets.detach(), sock))


class _Packets(io.RawIOBase):
    """What a socket receives, until the page's time is over."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._socket = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left, usual = deadline.seconds_left(), self._socket.gettimeout()
        if left == 0:
            raise TimeoutError("timed out in an answer")
        if left is not None:
            self._socket.settimeout(left if usual is None else min(left, usual))
        try:
            found: int | None = self._raw.readinto(buffer)
        finally:
            self._socket.settimeout(usual)
        return found

    def close(self) -> None:
        self._raw.close()
        super().close()


def database_bound(engine: Any) -> None:
    """From now on the engine's connections give up a page's query that PostgreSQL leaves open."""
    from sqlalchemy import event

    if engine.dialect.driver == "psycopg" and not event.contains(engine, "do_connect", _connect):
        event.listen(engine, "do_connect", _connect)
        engine.dispose()  # connections made before


def _connect(_dialect: Any, _record: Any, args: Any, options: Any) -> Any:
    import psycopg

    if deadline.gave_up():
        raise psycopg.OperationalError("timed out before it was asked")
    return _connection_class().connect(*args, **options)


@cache
def _connection_class() -> Any:
    import psycopg

    class Connection(psycopg.Connection[Any]):
        """Psycopg's own; a page hears from its server every SILENCE_S, or it is closed."""

        def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
            if deadline.seconds_left() is None:
                return super().wait(gen, *args, **options)
            limit = LAST_WORD_S if deadline.gave_up() else SILENCE_S
            try:
                return super().wait(_watched(gen, limit), *args, **options)
            except TimeoutError as error:
                deadline.give_up()
                self.close()  # or what is rolled back would be waited for as well
                raise psycopg.OperationalError("timed out in a query") from error

    return Connection


def _watched(gen: Any, limit_s: float) -> Generator[Any, Any, Any]:
    """The same generator of psycopg's; it is told about every 0.1 s whether there is news.

    Raises: TimeoutError.
    """
    heard = time.monotonic()
    try:
        state = next(gen)
        while True:
            ready = yield state
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > limit_s:
                raise TimeoutError
            state = gen.send(ready)
    except StopIteration as done:
        return done.value
