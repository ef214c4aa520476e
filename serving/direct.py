"""The service's end of the direct lane: scoring without ASGI."""

from __future__ import annotations

import logging
from functools import partial

from serving.calls import CANCELLED, Call
from serving.contract import INVOCATIONS_PATH, REQUEST_ID_HEADER, SCORE_PATH, V2_PREFIX
from serving.errors import ServingError
from serving.exchange import Exchange, header_lines
from serving.scoring import INVOCATIONS, SCORE, V2, Answer, Outcome, ScoreRequest
from serving.service import Service

log = logging.getLogger("serving.direct")

JSON_HEAD = b"content-type: application/json\r\nx-request-id: %b\r\n"


def v2_infer_paths(service: Service) -> list[str]:
    """Return the paths of the Open Inference Protocol by which this model is asked."""
    name, version = service.config["model_name"], service.config["model_version"]
    model = f"{V2_PREFIX}/models/{name}"
    return [f"{model}/infer", f"{model}/versions/{version}/infer"]


class DirectScoring:
    """Scores what `lane.Lane` hands over."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._dialects = {SCORE_PATH.encode(): SCORE, INVOCATIONS_PATH.encode(): INVOCATIONS}
        # A name that is escaped in a path stays here unknown, and goes to the router.
        for path in v2_infer_paths(service):
            self._dialects[path.encode("utf-8")] = V2
        self._largest = service.config["max_body_bytes"]

    def takes(self, method: bytes, target: bytes, length: int) -> bool:
        """Whether this is a request for predictions, within its size."""
        return target in self._dialects and length <= self._largest

    def handle(self, exchange: Exchange) -> None:
        """Score the body, or refuse."""
        fields, path = exchange.fields, exchange.target.decode("ascii")
        call = Call(self._service, "POST", path, fields)
        done = partial(self._done, exchange, call)
        try:
            call.admit()
            call.check_body(len(exchange.body))
        except ServingError as error:
            done(error)
            return
        kind = fields.get(b"content-type")
        content_type = None if kind is None else kind.decode("latin-1")
        dialect = self._dialects[exchange.target]
        request = ScoreRequest(exchange.body, content_type, dialect, call.identity)
        batcher = self._service.batcher
        job = batcher.submit(request, done)
        if not exchange.response_complete:

            def on_disconnect() -> None:
                batcher.cancel(job)
                call.finish(CANCELLED)

            exchange.on_disconnect = on_disconnect

    def _done(self, exchange: Exchange, call: Call, outcome: Outcome) -> None:
        answer = call.refusal(outcome) if isinstance(outcome, ServingError) else outcome
        head = JSON_HEAD % call.identity.encode("latin-1")
        if answer.headers or answer.content_type != "application/json":
            try:
                head = _head(answer, call)
            except ValueError:
                log.exception("the model's answer has a header that is none")
                answer = call.refusal(ServingError(500, "The answer has a broken header."))
        exchange.respond(answer.status, head, answer.body)
        call.finish(answer.status)


def _head(answer: Answer, call: Call) -> bytes:
    identity = (REQUEST_ID_HEADER, call.identity)
    return header_lines([("content-type", answer.content_type), identity, *answer.headers])
