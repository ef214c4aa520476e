"""The authenticating, streaming proxy from /mlflow/ to MLflow's own server. An ASGI app.

The rules are in `proxy_rules` (what passes), `proxy_identity` (who may), `proxy_guard` (writes that
are judged first). Bodies go through in chunks, both ways, at the pace of the slower side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.utils import DatabaseError
from django.utils.translation import gettext as _
from yarl import URL

from workspaces import proxy_answers as answers
from workspaces import proxy_guard, proxy_identity, proxy_rules
from workspaces.errors import Problem
from workspaces.proxy_identity import Caller, header

Scope = MutableMapping[str, Any]
logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
LONGEST_BODY = 64 * 1024 * 1024  # of anything but an artifact: MLflow holds it in memory
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 300.0  # between two pieces of an answer; a search of a large store is slow
CONNECTIONS = 128
_ERROR_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    409: "RESOURCE_CONFLICT",
    413: "REQUEST_LIMIT_EXCEEDED",
}


class _BodyTooLarge(Exception):
    pass


class _ClientGone(Exception):
    pass


class _Body:
    """A request's body as it arrives. `failure` is kept: the HTTP client hides what stopped it."""

    def __init__(self, receive: Any, limit: int | None) -> None:
        self._receive = receive
        self._limit = limit
        self._size = 0
        self.failure: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise self._fail(_ClientGone())
            chunk = message.get("body", b"")
            self._size += len(chunk)
            if self._limit is not None and self._size > self._limit:
                raise self._fail(_BodyTooLarge())
            more = message.get("more_body", False)
            if chunk:
                yield chunk

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def gone(self) -> None:
        """Return when the client has closed the connection; for a request without a body."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _fail(self, failure: Exception) -> Exception:
        self.failure = failure
        return failure


class Upstream:
    """MLflow's server: ours on a unix socket, or somebody's over HTTP. One client per event loop.

    Args:
        socket: path of the socket of the built-in server; unused when `url` is given.
        url: address of a server that exists already.
        token: sent to that server as a bearer token.
    """

    def __init__(self, *, socket: Path, url: str = "", token: str = "") -> None:
        self.socket = socket
        self.url = url.rstrip("/")
        self.token = token if url else ""
        self._session: aiohttp.ClientSession | None = None
        self.loop: asyncio.AbstractEventLoop | None = None  # the connections belong to it

    @property
    def is_remote(self) -> bool:
        return bool(self.url)

    def target(self, path: str, query: bytes) -> URL:
        """Address of an already encoded path; nothing is decoded or encoded again."""
        base = self.url or "http://localhost"
        tail = quote(query, safe="%/?:@!$&'()*+,;=~-._[]{}|^`\"<>\\") if query else ""
        return URL(f"{base}{path}{'?' + tail if tail else ''}", encoded=True)

    def session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self.loop = asyncio.get_running_loop()
            connector: aiohttp.BaseConnector
            if self.is_remote:  # shorter than any server keeps an idle connection open
                connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=1.0)
            else:
                connector = aiohttp.UnixConnector(
                    str(self.socket), limit=CONNECTIONS, keepalive_timeout=15.0
                )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class Proxy:
    """The app. `uses` names the services that use a model or a version (see proxy_guard.Uses)."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        uses: proxy_guard.Uses = proxy_guard.no_uses,
        artifact_root: str = "",
    ) -> None:
        self.upstream = upstream
        self.uses = uses
        self.artifact_root = artifact_root

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        answer, route = await self._judge(scope)
        if answer is None and route is not None:
            answer = await self._forward(scope, receive, send, route)
        if answer is not None:
            await answers.send_answer(answer, scope, receive, send)

    async def close(self) -> None:
        """Close the connections to MLflow."""
        await self.upstream.close()

    async def _judge(self, scope: Scope) -> tuple[Any, proxy_rules.Route | None]:
        """Return an answer that ends the request, or else its route."""
        if not proxy_identity.host_is_allowed(header(scope, b"host")):
            text = "This studio does not answer to that name. Add it to SLIPWAY_ALLOWED_HOSTS."
            return answers.error(400, "BAD_REQUEST", text), None
        if raw_path(scope) == proxy_rules.PREFIX.encode():
            return answers.redirect(proxy_rules.PREFIX + "/", 307), None
        try:
            caller = await _caller(header(scope, b"authorization"), header(scope, b"cookie"))
        except DatabaseError:
            logger.exception("The database does not answer")
            text = "The studio's database does not answer. Try again in a moment."
            return answers.error(503, "TEMPORARILY_UNAVAILABLE", text), None
        if caller is None:
            return _unauthenticated(scope), None
        if _is_foreign_write(scope, caller):
            text = "This write was signed by a cookie but does not come from a page of the studio."
            return answers.error(403, "PERMISSION_DENIED", text), None
        route = proxy_rules.route(scope["method"], raw_path(scope))
        if route is None:
            text = "The studio does not offer this part of MLflow."
            return answers.error(404, "ENDPOINT_NOT_FOUND", text), None
        return None, route

    async def _forward(
        self, scope: Scope, receive: Any, send: Any, route: proxy_rules.Route
    ) -> Any | None:
        """Pass the request on. Returns an answer to send instead, None when one was sent."""
        body = _Body(receive, _limit(scope, route))
        started = False

        async def send_once(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._exchange(scope, body, send_once, route)
            return None
        except Problem as problem:
            code = _ERROR_CODES.get(problem.status, "BAD_REQUEST")
            return answers.error(problem.status, code, problem.message)
        except (_ClientGone, _BodyTooLarge, aiohttp.ClientError, OSError, TimeoutError) as error:
            failure = body.failure or error
            if isinstance(failure, _ClientGone):
                return None
            if started:  # the rest of an answer is missing: the connection must end with an error
                logger.warning("MLflow's answer broke off: %s", failure)
                raise
            return _failed(scope, failure)

    async def _exchange(
        self, scope: Scope, body: _Body, send: Any, route: proxy_rules.Route
    ) -> None:
        headers = proxy_rules.request_headers(scope["headers"])
        data: Any = None
        if route.guard:
            judged = await self._guarded(route.guard, await body.read())
            headers = [pair for pair in headers if pair[0] != "content-encoding"]
            data = judged
        elif _has_body(scope):
            data = body.chunks()
            length = header(scope, b"content-length")
            if length:
                headers.append(("content-length", length))
        headers += self._own_headers(scope)
        async with self.upstream.session().request(
            scope["method"],
            self.upstream.target(route.path, scope.get("query_string", b"")),
            headers=headers,
            data=data,
            allow_redirects=False,
        ) as answer:
            await send(self._start(answer, route))
            await _pour(answer, body if data is None else None, send)

    async def _guarded(self, guard: str, raw: bytes) -> bytes:
        if len(raw) > proxy_guard.LONGEST_BODY:
            raise _BodyTooLarge
        judge = sync_to_async(_in_thread, thread_sensitive=False)
        judged: bytes = await judge(
            proxy_guard.guarded_body,
            guard=guard,
            raw=raw,
            uses=self.uses,
            artifact_root=self.artifact_root,
            remote=self.upstream.is_remote,
        )
        return judged

    def _own_headers(self, scope: Scope) -> list[tuple[str, str]]:
        own = []
        if scope.get("client"):
            own.append(("x-forwarded-for", scope["client"][0]))
        if not self.upstream.is_remote:  # a remote server is called by its own name
            own.append(("host", "localhost"))
        if self.upstream.token:
            own.append(("authorization", f"Bearer {self.upstream.token}"))
        return own

    def _start(self, answer: aiohttp.ClientResponse, route: proxy_rules.Route) -> dict[str, Any]:
        headers = proxy_rules.answer_headers(answer.raw_headers)
        headers = [
            (name, self._location(value) if name == b"location" else value)
            for name, value in headers
            if name.decode("latin-1") not in answers.SECURITY_HEADERS
        ]
        own = dict(answers.SECURITY_HEADERS)
        own["content-security-policy"] = answers.policy(
            is_page=route.is_page, is_asset=route.is_asset
        )
        headers += [(name.encode(), value.encode()) for name, value in own.items()]
        return {"type": "http.response.start", "status": answer.status, "headers": headers}

    def _location(self, value: bytes) -> bytes:
        """A redirect of MLflow's stays below /mlflow."""
        parts = urlsplit(value.decode("latin-1"))
        path = parts.path.removeprefix(self._base_path)
        tail = f"?{parts.query}" if parts.query else ""
        return f"{proxy_rules.PREFIX}/{path.lstrip('/')}{tail}".encode("latin-1")

    @property
    def _base_path(self) -> str:
        """Path of a remote server's address; empty for the built-in one."""
        return urlsplit(self.upstream.url).path if self.upstream.is_remote else ""


async def _pour(answer: aiohttp.ClientResponse, idle: _Body | None, send: Any) -> None:
    """Hand an answer on piece by piece; stop when the client of an `idle` request has gone."""
    gone = asyncio.create_task(idle.gone()) if idle else None
    try:
        async for chunk in answer.content.iter_chunked(CHUNK):
            if gone and gone.done():
                raise _ClientGone
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        if gone:
            gone.cancel()


def raw_path(scope: Scope) -> bytes:
    """The path as it came, percent-encoded."""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else quote(scope["path"]).encode()


def _in_thread(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Run what reads the database; a connection that died or is too old is not used again."""
    close_old_connections()
    return function(*args, **kwargs)


async def _caller(authorization: str, cookie: str) -> Caller | None:
    if not authorization and not cookie:
        return None
    find = sync_to_async(_in_thread, thread_sensitive=False)
    found: Caller | None = await find(proxy_identity.caller_of, authorization, cookie)
    return found


def _is_foreign_write(scope: Scope, caller: Caller) -> bool:
    if not caller.by_cookie or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return False
    return not proxy_identity.is_same_origin(scope)


def _limit(scope: Scope, route: proxy_rules.Route) -> int | None:
    if route.guard:
        return proxy_guard.LONGEST_BODY
    is_artifact = scope["method"] == "PUT" and "/mlflow-artifacts/artifacts/" in route.path
    return None if is_artifact else LONGEST_BODY


def _has_body(scope: Scope) -> bool:
    length = header(scope, b"content-length")
    return bool(header(scope, b"transfer-encoding")) or length not in {"", "0"}


def _wants_page(scope: Scope) -> bool:
    return scope["method"] in {"GET", "HEAD"} and "text/html" in header(scope, b"accept")


def _unauthenticated(scope: Scope) -> Any:
    if _wants_page(scope) and not header(scope, b"authorization"):
        return answers.redirect(f"/login/?next={proxy_rules.PREFIX}/")
    text = "Sign in, or set MLFLOW_TRACKING_TOKEN to a token made under Users and tokens."
    challenge = {"www-authenticate": 'Bearer realm="Slipway"'}
    return answers.error(401, "UNAUTHENTICATED", text, challenge)


def _failed(scope: Scope, failure: Exception) -> Any:
    if isinstance(failure, _BodyTooLarge):
        return answers.error(413, "REQUEST_LIMIT_EXCEEDED", "The body is too large.")
    slow = isinstance(failure, (TimeoutError, asyncio.TimeoutError)) and not isinstance(
        failure, aiohttp.ConnectionTimeoutError
    )
    logger.warning("MLflow's server does not answer: %s", failure or type(failure).__name__)
    if _wants_page(scope):
        title = _("MLflow does not answer")
        text = _("Its server is starting, stopped or overloaded. Try again in a moment.")
        return answers.page(504 if slow else 503, title, text, _("Back to the studio"))
    text = "MLflow's server does not answer. Try again in a moment."
    if slow:
        return answers.error(504, "DEADLINE_EXCEEDED", text)
    return answers.error(503, "TEMPORARILY_UNAVAILABLE", text, {"retry-after": "2"})
