"""The HTTP side of a worker: routes, and around them request ids, keys, counting and logging."""

from __future__ import annotations

import json
import logging
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.auth import CLIENT
from serving.contract import (
    HEALTH_PATH,
    INVOCATIONS_PATH,
    MAX_REQUEST_ID,
    OPEN_PATHS,
    REQUEST_ID_HEADER,
    SCORE_PATH,
)
from serving.errors import ServingError, error_body
from serving.limits import read_body
from serving.logs import request_id
from serving.service import Service

log = logging.getLogger("serving.requests")

JSON = "application/json"
METRICS_PATH = "/metrics"
QUIET_PATHS = OPEN_PATHS | {METRICS_PATH}  # asked all day long: not a log line each


class Routes:
    """The handlers; each raises ServingError for anything but 2xx."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def app(self) -> Router:
        """Return the router of all routes, without what `Front` does around it."""
        routes = [
            Route("/", self.root),
            Route("/ping", self.health),
            Route(HEALTH_PATH, self.health),
            Route("/version", self.version),
            Route(SCORE_PATH, self.score, methods=["POST"]),
            Route(INVOCATIONS_PATH, self.score, methods=["POST"]),
            Route("/swagger.json", self.swagger),
            Route(METRICS_PATH, self.metrics),
        ]
        return Router(routes, redirect_slashes=False)

    async def root(self, request: Request) -> Response:
        """Azure's liveness answer: the server runs, whatever the model does."""
        return Response("Healthy", media_type="text/html")

    async def health(self, request: Request) -> Response:
        """200 when the model is loaded, 503 before; JSON with the digest for who asks for JSON."""
        ready = self.service.model is not None
        document: dict[str, object] = {"state": "ready" if ready else "loading"}
        if ready and JSON not in request.headers.get("accept", ""):
            return Response("\n", media_type=JSON)
        document["digest"] = self.service.config["digest"]
        document["auth_version"] = self.service.keys.version
        headers = {} if ready else {"retry-after": "1"}
        return Response(json.dumps(document), 200 if ready else 503, headers, media_type=JSON)

    async def version(self, request: Request) -> Response:
        """MLflow's version, as `mlflow models serve` answers it."""
        from importlib.metadata import PackageNotFoundError, version

        for package in ("mlflow", "mlflow-skinny"):
            try:
                return Response(version(package), media_type=JSON)
            except PackageNotFoundError:
                continue
        raise ServingError(404, "MLflow is not installed in this model's environment.")

    async def score(self, request: Request) -> Response:
        """Score the body in whatever dialect it is."""
        headers = request.headers
        encoding = headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise ServingError(415, f"Content-Encoding {encoding!r} is not supported.")
        limit = self.service.config["max_body_bytes"]
        body = await read_body(request.stream(), headers.get("content-length"), limit)
        wrap = request.url.path == INVOCATIONS_PATH
        answer = await self.service.score(body, headers.get("content-type"), wrap=wrap)
        return Response(answer, media_type=JSON)

    async def swagger(self, request: Request) -> Response:
        """The OpenAPI document of this service."""
        if self.service.model is None:
            raise ServingError(503, "The model is still loading; try again.", {"retry-after": "2"})
        return Response(json.dumps(self.service.model.swagger()), media_type=JSON)

    async def metrics(self, request: Request) -> Response:
        """Counters of all workers for Prometheus."""
        return Response(self.service.metrics.text(), media_type="text/plain; version=0.0.4")


def _of_router(error: HTTPException) -> ServingError:
    texts = {404: "There is nothing at this path.", 405: "This path does not take this method."}
    text = texts.get(error.status_code, error.detail)
    return ServingError(error.status_code, text, dict(error.headers or {}))


class Front:
    """ASGI around the routes: request id, key, error shapes, counting, the request's log line."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID_HEADER, "")
        identity = given if 0 < len(given) <= MAX_REQUEST_ID else str(uuid.uuid4())
        request_id.set(identity)
        exchange = _Exchange(scope["path"], identity, send)
        try:
            _check_identity(given)
            self._authenticate(scope["path"], headers, exchange)
            # With an "app" in its scope, Starlette's router raises instead of answering in text.
            await self.app({**scope, "app": self}, receive, exchange.send)
        except ServingError as error:
            await exchange.refuse(error, scope, receive)
        except HTTPException as error:
            await exchange.refuse(_of_router(error), scope, receive)
        except ClientDisconnect:
            exchange.status = 499
        except Exception:
            log.exception("unexpected error")
            text = "An unexpected internal error occurred. Check the logs for more info."
            await exchange.refuse(ServingError(500, text), scope, receive)
        finally:
            self._note(exchange)

    def _authenticate(self, path: str, headers: Headers, exchange: _Exchange) -> None:
        keys = self.service.keys
        if path in OPEN_PATHS:
            exchange.caller = "health"
            return
        exchange.caller = CLIENT
        exchange.caller = keys.caller(headers, always=path == METRICS_PATH)

    def _note(self, exchange: _Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        self.service.metrics.count(exchange.caller, exchange.status, seconds)
        loading = exchange.path in OPEN_PATHS and exchange.status == 503
        if exchange.path in QUIET_PATHS and (exchange.status < 500 or loading):
            return
        fields = {"path": exchange.path[:200], "status": exchange.status}
        ms = round(seconds * 1000, 2)
        log.info("request", extra={**fields, "ms": ms, "caller": exchange.caller})


def _check_identity(given: str) -> None:
    if len(given) > MAX_REQUEST_ID:
        raise ServingError(431, f"{REQUEST_ID_HEADER} must not exceed {MAX_REQUEST_ID} characters")


class _Exchange:
    """One request on its way: what was answered, by whom asked, and when it began."""

    def __init__(self, path: str, identity: str, send: Send) -> None:
        self.path, self.identity, self._send = path, identity, send
        self.started = time.perf_counter()
        self.status = 0  # 0: nothing sent yet
        self.caller = CLIENT

    async def send(self, message: Message) -> None:
        """Pass a message on, with the request id on the answer's head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self.identity
        await self._send(message)

    async def refuse(self, error: ServingError, scope: Scope, receive: Receive) -> None:
        """Answer with the error, unless an answer already began."""
        if self.status:
            return
        mlflow = error.mlflow or self.path == INVOCATIONS_PATH
        body = error_body(error.status, error.message, mlflow=mlflow)
        answer = Response(body, error.status, error.headers, media_type=JSON)
        await answer(scope, receive, self.send)


def build(service: Service) -> ASGIApp:
    """Return the ASGI application of a service."""
    return Front(Routes(service).app(), service)
