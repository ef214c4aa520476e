"""The HTTP side of a worker: routes, and around them ids, keys, counting and logging."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import swagger
from serving.calls import CANCELLED, DOCS_PATH, METRICS_PATH, Call
from serving.contract import HEALTH_PATH, INVOCATIONS_PATH, REQUEST_ID_HEADER, SCORE_PATH
from serving.errors import ServingError
from serving.limits import read_body
from serving.logs import request_id
from serving.pages import DOCS_PAGE, docs_policy
from serving.scoring import INVOCATIONS, SCORE, V2, ScoreRequest
from serving.service import Service

log = logging.getLogger("serving.app")

JSON = "application/json"
Handler = Callable[[Request], Awaitable[Response]]


class Routes:
    """The handlers; each raises ServingError for anything but 2xx."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def app(self) -> Router:
        """Return the router of all routes, without what `Front` does around it."""
        routes = [
            *(Route(path, handler) for path, handler in self.common().items()),
            Route("/version", self.version),
            *(Route(path, self.score, methods=["POST"]) for path in (SCORE_PATH, INVOCATIONS_PATH)),
            Route("/v2", self.v2_server),
            Route("/v2/health/live", self.v2_live),
            Route("/v2/health/ready", self.v2_ready),
        ]
        for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
            routes.append(Route(model, self.v2_model))
            routes.append(Route(f"{model}/ready", self.v2_ready))
            routes.append(Route(f"{model}/infer", self.v2_infer, methods=["POST"]))
        return Router(routes, redirect_slashes=False)

    def common(self) -> dict[str, Handler]:
        """Return the handlers that a service has whatever its loader, by path."""
        return {
            "/": self.root,
            "/ping": self.health,
            HEALTH_PATH: self.health,
            DOCS_PATH: self.docs,
            METRICS_PATH: self.metrics,
            "/swagger.json": self.swagger,
        }

    async def root(self, request: Request) -> Response:
        """Azure's liveness answer: the server runs, whatever the model does."""
        return Response("Healthy", media_type="text/html")

    async def health(self, request: Request) -> Response:
        """200 when the model is loaded, 503 before; JSON with the digest for who asks for JSON."""
        ready = self.service.servable is not None
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
        call: Call = request.scope["call"]
        declared = request.headers.get("content-length")
        call.check_body(0)
        body = await read_body(request.stream(), declared, self.service.config["max_body_bytes"])
        dialect = _dialect(request.scope["path"])
        kind = request.headers.get("content-type")
        scored = ScoreRequest(body, kind, dialect, call.identity)
        answer = await self.service.batcher.score(scored)
        headers = dict(answer.headers)
        return Response(answer.body, answer.status, headers, media_type=answer.content_type)

    async def swagger(self, request: Request) -> Response:
        """The API document of this service, in the version asked for."""
        asked = request.query_params.get("version", swagger.DEFAULT_VERSION)
        return Response(swagger.pick(self.service.loaded().documents, asked), media_type=JSON)

    async def docs(self, request: Request) -> Response:
        """A page that shows the OpenAPI document."""
        headers = {"content-security-policy": docs_policy()}
        return Response(DOCS_PAGE, 200, headers, media_type="text/html")

    async def metrics(self, request: Request) -> Response:
        """Counters of all workers for Prometheus."""
        return Response(self.service.metrics.text(), media_type="text/plain; version=0.0.4")

    async def v2_server(self, request: Request) -> Response:
        """The server's metadata of the Open Inference Protocol."""
        return _json({"name": "slipway", "version": "1", "extensions": []})

    async def v2_live(self, request: Request) -> Response:
        """The server runs."""
        return _json({"live": True})

    async def v2_ready(self, request: Request) -> Response:
        """The model is loaded, else 503."""
        self._check_model(request)
        self.service.loaded()
        return _json({"ready": True, "name": self.service.config["model_name"]})

    async def v2_infer(self, request: Request) -> Response:
        """Score a body of the Open Inference Protocol."""
        self._check_model(request)
        return await self.score(request)

    def _check_model(self, request: Request) -> None:
        config, asked = self.service.config, request.path_params
        name, version = asked.get("name"), asked.get("version")
        if name not in (None, config["model_name"]):
            raise ServingError(404, f"There is no model {name[:100]!r} here.")
        if version not in (None, config["model_version"]):
            raise ServingError(404, f"There is no version {version[:100]!r} of this model here.")

    async def v2_model(self, request: Request) -> Response:
        """The model's metadata: its inputs and outputs."""
        self._check_model(request)
        return _json(self.service.loaded().v2_metadata())


def _json(document: object) -> Response:
    return Response(json.dumps(document), media_type=JSON)


def _dialect(path: str) -> str:
    if path == SCORE_PATH:
        return SCORE
    return INVOCATIONS if path == INVOCATIONS_PATH else V2


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
        fields = dict(reversed(scope["headers"]))  # of one given twice, the first
        call = Call(self.service, scope["method"], scope["path"], fields)
        request_id.set(call.identity)
        reply = _Reply(call, send)
        try:
            call.admit()
            # With an "app" in its scope, Starlette's router raises instead of answering in text.
            await self.app({**scope, "app": self, "call": call}, receive, reply.send)
        except ServingError as error:
            await reply.refuse(error, scope, receive)
        except HTTPException as error:
            await reply.refuse(_of_router(error), scope, receive)
        except ClientDisconnect:
            reply.status = CANCELLED
        except Exception:
            log.exception("unexpected error")
            text = "An unexpected internal error occurred. Check the logs for more info."
            await reply.refuse(ServingError(500, text), scope, receive)
        finally:
            call.finish(reply.status)


class _Reply:
    """The answer to one call on its way out."""

    def __init__(self, call: Call, send: Send) -> None:
        self._call, self._send = call, send
        self.status = 0  # 0: nothing sent yet

    async def send(self, message: Message) -> None:
        """Pass a message on, with the request id on the answer's head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self._call.identity
        await self._send(message)

    async def refuse(self, error: ServingError, scope: Scope, receive: Receive) -> None:
        """Answer with the error, unless an answer already began."""
        if self.status:
            return
        answer = self._call.refusal(error)
        headers = dict(answer.headers)
        response = Response(answer.body, answer.status, headers, media_type=answer.content_type)
        await response(scope, receive, self.send)


def build(service: Service) -> ASGIApp:
    """Return the ASGI application of a service."""
    routes = Routes(service)
    if service.config["loader"] != "script":
        return Front(routes.app(), service)
    from serving.script.routes import ScriptRoutes

    return Front(ScriptRoutes(service, routes.common()).app(), service)
