"""HTTP of an entry script: the routes, headers and answers of the v1 server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import serving
from serving.contract import MAX_REQUEST_ID, SCORE_PATH
from serving.errors import ServingError
from serving.limits import read_body
from serving.logs import request_id
from serving.script import headers as names
from serving.script.request import AMLRequest
from serving.script.response import Result
from serving.script.script import RAW, Scored, Script
from serving.script.stream import Stream
from serving.service import Service

Handler = Callable[[Request], Awaitable[Response]]


class ScriptRoutes:
    """Handlers of a script; `common` are the handlers every service shares, by path."""

    def __init__(self, service: Service, common: dict[str, Handler]) -> None:
        self.service = service
        self.common = common

    def app(self) -> ASGIApp:
        """Return the routes with the contract's headers around them."""
        routes = [Route(path, handler) for path, handler in self.common.items()]
        routes.append(Route(SCORE_PATH, self.score, methods=["GET", "POST", "OPTIONS"]))
        return Contract(Router(routes, redirect_slashes=False))

    async def score(self, request: Request) -> Response:
        """Give the request to `run()`."""
        script = self._script()
        if request.method == "OPTIONS" and script.kind != RAW:
            return Response(b"", media_type="text/html")
        asked = await self._asked(request, script)
        stream = Stream(asyncio.get_running_loop())
        call = asyncio.ensure_future(
            self.service.batcher.call(lambda: _answer(script, asked, stream))
        )
        try:
            either: tuple[asyncio.Future[Any], ...] = (call, stream.started)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if stream.started.done():
                call.add_done_callback(lambda done: _end(done, stream))
                head = stream.started.result()
                return _streamed(head.result, head.milliseconds, stream)
            return _whole(await self._in_v1_words(call))
        except BaseException:
            stream.abandon()
            call.cancel()
            raise

    def _script(self) -> Script:
        loaded = self.service.loaded()
        assert isinstance(loaded, Script)
        return loaded

    async def _asked(self, request: Request, script: Script) -> AMLRequest:
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity" and script.kind != RAW:
            raise ServingError(415, f"Content-Encoding {encoding!r} is not supported.")
        limit = self.service.config["max_body_bytes"]
        body = await read_body(request.stream(), request.headers.get("content-length"), limit)
        # The key opens this service; it is no business of the model's code.
        found = names.RequestHeaders.of(request.headers.raw, hide_key=self.service.keys.enabled)
        return AMLRequest(dict(request.scope), body, found)

    async def _in_v1_words(self, call: Awaitable[Scored | None]) -> Scored:
        try:
            scored = await call
        except ServingError as error:
            if error.status != 504:
                raise
            limit = self.service.config["scoring_timeout_ms"]
            failed = {names.RUN_FAILED: "True"}
            raise ServingError(500, f"Scoring timeout after {limit} ms", failed) from error
        assert scored is not None
        return scored


def _answer(script: Script, asked: AMLRequest, stream: Stream) -> Scored | None:
    """In the model thread: call `run()`, and if it streams, until its last piece."""
    scored = script.call(asked)
    if isinstance(scored.result.body, bytes):
        return scored
    try:
        stream.pump(scored.result, scored.milliseconds)
    except BaseException as error:
        raise script.failure(error) from error
    return None


def _end(call: asyncio.Future[Any], stream: Stream) -> None:
    if call.cancelled():
        stream.fail(ServingError(500, "cancelled"))
    elif error := call.exception():
        stream.abandon()
        stream.fail(error)  # cuts the answer off: its head is long sent


def _heading(result: Result, milliseconds: float, answer: Response) -> Response:
    pairs = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in result.headers]
    pairs.append((names.RUN_FAILED.encode(), str(result.failed).encode()))
    pairs.append((names.RUN_MS.encode(), b"%.3f" % milliseconds))
    answer.raw_headers[:] = [*answer.raw_headers, *pairs]
    return answer


def _whole(scored: Scored) -> Response:
    result = scored.result
    assert isinstance(result.body, bytes)
    return _heading(result, scored.milliseconds, Response(result.body, result.status))


def _streamed(result: Result, milliseconds: float, stream: Stream) -> Response:
    answer = StreamingResponse(stream.pieces(), result.status)
    return _heading(result, milliseconds, answer)


class Contract:
    """ASGI around the routes: the ids and flags that every answer of the v1 server carries."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        own = _own_headers(Headers(scope=scope))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in own.items():
                    found.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except (ServingError, HTTPException) as error:
            error.headers = {**own, **(error.headers or {})}
            raise


def _own_headers(given: Headers) -> dict[str, str]:
    client, legacy = given.get(names.CLIENT_ID, ""), given.get(names.LEGACY_ID, "")
    own = {names.RUN_FAILED: "False"}
    if os.environ.get("SERVER_VERSION_LOG_RESPONSE_ENABLED", "true").lower() == "true":
        own[names.SERVER_VERSION] = f"slipway/{serving.__version__}"
    if max(len(client), len(legacy)) > MAX_REQUEST_ID:
        both = f"{names.LEGACY_ID} and {names.CLIENT_ID}"
        text = f"{both} must not exceed {MAX_REQUEST_ID} characters"
        raise ServingError(431, text, own)
    own[names.LEGACY_ID] = legacy or client or request_id.get()
    if client or legacy:
        own[names.CLIENT_ID] = client or legacy
    trace = given.get(names.TRACE_ID, "")
    return {**own, "TraceId": trace} if trace else own
