"""The gateway: one stable address per service, in front of its revisions.

`<prefix><service>/<rest>` goes to `/<rest>` of a backend, streamed both ways. It knows no keys and
no models; it routes, limits bodies, names requests, and says in {code, message} what it cannot do.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from serving import contract, logs
from serving.contract import MAX_BODY_BYTES, MAX_REQUEST_ID, REQUEST_ID_HEADER
from serving.headers import NOT_TO_BACKEND, NOT_TO_CLIENT, declared_length, passed
from serving.routes import RouteTable

if TYPE_CHECKING:
    from serving.contract import Backend

log = logging.getLogger("serving.gateway")

POLL = 0.1  # seconds between looks at routes.json
CONNECT_TIMEOUT = 2.0  # seconds
IDLE_BACKEND = 30.0  # seconds; shorter than a runtime keeps an idle connection
SMALL = 64 * 1024  # bytes; read whole, larger is streamed
LINGER = 30.0  # seconds a refused upload is read and thrown away, so that its client sees why
DRAIN = 60.0  # seconds for requests under way at SIGTERM
NEVER_STARTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class GatewayError(Exception):
    """An answer of the gateway's own."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


class Upload:
    """A request's body on its way to a backend, counted."""

    def __init__(self, request: web.BaseRequest, limit: int) -> None:
        self.request, self.limit = request, limit
        self.length = declared_length(request.headers)
        if self.length is not None and self.length > limit:
            raise too_large(limit)
        self.is_too_large = False
        self.client_failed = False
        self._reading = False
        self._ended = asyncio.Event()

    async def data(self) -> bytes | AsyncIterator[bytes] | None:
        """Return what to give the HTTP client; a body that was not begun can be given again."""
        if not self.request.body_exists:
            return None
        if self.length is not None and self.length <= SMALL:
            await self._go_on()
            try:
                return await self.request.read()
            except (aiohttp.ClientError, ConnectionError, ValueError) as error:
                raise bad_upload() from error
        return self._blocks()

    async def _go_on(self) -> None:
        """Answer `Expect: 100-continue`, now that somebody wants the body."""
        if self._reading:
            return
        self._reading = True
        if self.request.headers.get("Expect", "").lower() == "100-continue":
            writer: Any = self.request.writer  # typed as its abstract base
            await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            writer.output_size = 0  # the answer itself has not begun

    async def _blocks(self) -> AsyncIterator[bytes]:
        await self._go_on()
        count = 0
        try:
            while block := await self._next_block():
                count += len(block)
                if count > self.limit:
                    self.is_too_large = True
                    raise too_large(self.limit)
                yield block
        finally:
            self._ended.set()

    async def _next_block(self) -> bytes:
        try:
            return await self.request.content.readany()
        except Exception:
            self.client_failed = True
            raise

    async def settle(self) -> None:
        """Wait until nobody reads the body any more, after its reader was told to stop."""
        if self._reading and not self._ended.is_set() and not self.request.content.is_eof():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 1.0)


def too_large(limit: int) -> GatewayError:
    """Return the 413 for a body above `limit` bytes."""
    return GatewayError(413, "PayloadTooLarge", f"The body is larger than {limit} bytes.")


def bad_upload() -> GatewayError:
    """Return the 400 for a body that broke off or is not what its headers say."""
    return GatewayError(400, "BadRequest", "The request's body could not be read.")


class Gateway:
    """Answers requests by the routes in `table`."""

    def __init__(
        self, table: RouteTable, session: aiohttp.ClientSession, max_body_bytes: int
    ) -> None:
        self.table, self.session, self.max_body_bytes = table, session, max_body_bytes

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        given = request.headers.get(REQUEST_ID_HEADER, "")
        identity = given if 0 < len(given) <= MAX_REQUEST_ID else str(uuid.uuid4())
        logs.request_id.set(identity)
        try:
            if len(given) > MAX_REQUEST_ID:
                text = f"{REQUEST_ID_HEADER} must not exceed {MAX_REQUEST_ID} characters"
                raise GatewayError(431, "RequestHeaderFieldsTooLarge", text)  # noqa: TRY301
            return await self._route(request, identity)
        except GatewayError as error:
            return _refusal(error, identity)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("unexpected error")
            text = "An unexpected internal error occurred. Check the logs for more info."
            return _refusal(GatewayError(500, "InternalServerError", text), identity)

    async def _route(self, request: web.BaseRequest, identity: str) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path == contract.HEALTH_PATH:
            return web.json_response({"state": "ready", "version": self.table.version})
        name, rest = split_path(path)
        try:
            backends = self.table.backends(name)
        except KeyError:
            text = f"There is no service {name[:100]!r}."
            raise GatewayError(404, "ServiceNotFound", text) from None
        if not backends:
            reason = self.table.services[name]["reason"] or "The service is not running."
            raise GatewayError(503, "ServiceUnavailable", reason, retry_after=5)
        upload = Upload(request, self.max_body_bytes)
        target = f"/{rest}?{query}" if query else f"/{rest}"
        headers = _to_backend(request, identity, f"{contract.GATEWAY_PREFIX}{name}", upload.length)
        async with await self._send(request, backends, target, headers, upload) as answer:
            try:
                return await _pass_on(request, answer, identity)
            finally:
                if not request.content.is_eof():
                    answer.close()  # it answered before it had the whole body
                    await upload.settle()

    async def _send(
        self,
        request: web.BaseRequest,
        backends: list[Backend],
        target: str,
        headers: CIMultiDict[str],
        upload: Upload,
    ) -> aiohttp.ClientResponse:
        """Return the answer's head from the first backend that could be connected to."""
        for backend in backends:
            url = URL(backend["url"].rstrip("/") + target, encoded=True)
            try:
                return await self.session.request(
                    request.method,
                    url,
                    headers=headers,
                    data=await upload.data(),
                    allow_redirects=False,
                )
            except NEVER_STARTED as error:
                log.warning("no connection to %s: %s", backend["url"], error)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise _broken(upload, error) from error
        text = "The service cannot be reached now; try again."
        raise GatewayError(503, "ServiceUnavailable", text, retry_after=2)


def _broken(upload: Upload, error: Exception) -> GatewayError:
    if upload.is_too_large:
        return too_large(upload.limit)
    if upload.client_failed:
        return bad_upload()
    log.warning("the backend broke off: %s", error)
    return GatewayError(502, "BadGateway", "The service closed the connection without an answer.")


def split_path(path: str) -> tuple[str, str]:
    """Return (service, rest) of a path below GATEWAY_PREFIX; raises GatewayError 404."""
    name, slash, rest = path.removeprefix(contract.GATEWAY_PREFIX).partition("/")
    first, _, below = rest.partition("/")
    known = path.startswith(contract.GATEWAY_PREFIX) and first in contract.GATEWAY_PATHS
    # Only v2 has paths below it, and none of them may climb out of it.
    climbs = any(part in ("", ".", "..") for part in below.split("/")) or "%2" in below.lower()
    if not (known and slash) or (below and (first != "v2" or climbs)):
        raise GatewayError(404, "NotFound", "There is nothing at this path.")
    return name, rest


def _to_backend(
    request: web.BaseRequest, identity: str, prefix: str, length: int | None
) -> CIMultiDict[str]:
    headers = CIMultiDict(passed(request.headers.items(), NOT_TO_BACKEND))
    if length is not None and request.body_exists:
        headers["Content-Length"] = str(length)
    headers[REQUEST_ID_HEADER] = identity
    headers["X-Forwarded-For"] = request.remote or ""
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Prefix"] = prefix
    return headers


async def _pass_on(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, identity: str
) -> web.StreamResponse:
    headers = CIMultiDict(passed(answer.headers.items(), NOT_TO_CLIENT))
    headers[REQUEST_ID_HEADER] = identity
    headers["Server"] = "slipway"
    length = declared_length(answer.headers)
    try:
        if length is not None and length <= SMALL and request.method != "HEAD":
            body = await answer.read()
            return web.Response(status=answer.status, headers=headers, body=body)
    except aiohttp.ClientError as error:
        text = "The service broke off its answer."
        raise GatewayError(502, "BadGateway", text) from error
    if length is not None:
        headers["Content-Length"] = str(length)
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        async for block in answer.content.iter_any():
            await response.write(block)
    except aiohttp.ClientPayloadError as error:
        raise ConnectionError("the backend broke off") from error  # cut, so that it is seen
    await response.write_eof()
    return response


def _refusal(error: GatewayError, identity: str) -> web.Response:
    headers = {REQUEST_ID_HEADER: identity, "Server": "slipway"}
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    body = json.dumps({"code": error.code, "message": error.message})
    return web.Response(
        status=error.status, headers=headers, text=body, content_type="application/json"
    )


def run_gateway(
    run_dir: Path, host: str, port: int, *, max_body_bytes: int = MAX_BODY_BYTES
) -> int:
    """Serve until SIGTERM or SIGINT, then drain; returns contract.EXIT_OK or EXIT_PORT_TAKEN."""
    logs.setup()
    # What a stranger sends that is no HTTP gets its 400 and no traceback in the log.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    try:
        factory: Any = importlib.import_module("uvloop").new_event_loop
    except ImportError:  # not on Windows
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_serve(run_dir, host, port, max_body_bytes))


async def _serve(run_dir: Path, host: str, port: int, max_body_bytes: int) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    table = RouteTable(run_dir)
    table.load()
    async with backend_session() as session:
        gateway = Gateway(table, session, max_body_bytes)
        server = web.Server(
            gateway.handle, access_log=None, auto_decompress=False, lingering_time=LINGER
        )
        runner = web.ServerRunner(server, shutdown_timeout=DRAIN)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=2048).start()
        except OSError as error:
            log.error("port %d on %s cannot be used: %s", port, host, error)  # noqa: TRY400
            await runner.cleanup()
            return contract.EXIT_PORT_TAKEN
        log.info("gateway listens on %s port %d", host, port)
        while not stop.is_set():
            _refresh(table)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL)
        await runner.cleanup()
    return contract.EXIT_OK


def _refresh(table: RouteTable) -> None:
    table.load()
    try:
        table.note()
    except OSError:  # a full disk: routing goes on, and the note is written later
        log.exception("gateway.json could not be written")


def backend_session() -> aiohttp.ClientSession:
    """Return the HTTP client for backends: no cookies, nothing added, nothing unpacked."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_BACKEND),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )
