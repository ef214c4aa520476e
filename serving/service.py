"""What one worker serves: its model, its one model thread, its queue and its limits."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from serving.auth import Keys
from serving.contract import ReplicaConfig
from serving.errors import ServingError
from serving.limits import Gate
from serving.loaders import load
from serving.logs import request_id
from serving.metrics import Metrics
from serving.scoring import INVOCATIONS, SCORE, Answer, Outcome, ScoreRequest, Servable

log = logging.getLogger("serving.service")

STUCK_SECONDS = 10.0  # beyond the scoring timeout, before a worker with a hanging call is replaced


class Service:
    """The state behind the routes; `on_stuck` is called when a call hangs past all patience."""

    def __init__(
        self, folder: Path, config: ReplicaConfig, index: int, on_stuck: Callable[[str], None]
    ) -> None:
        self.config = config
        self.keys = Keys(folder)
        self.metrics = Metrics(folder, index)
        self.model: Servable | None = None
        self.load_seconds: float | None = None
        self._gate = Gate(config["max_concurrent"])
        # Loading and predicting share one thread: many libraries ask for that, and the event loop
        # stays free for health and for the neighbours.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._loaded = asyncio.Event()
        self._on_stuck = on_stuck

    async def load(self) -> None:
        """Load the model in the model thread; raises what its code raises."""
        started = time.perf_counter()
        loading = self._thread.submit(_guard, lambda: load(self.config))
        self.model = await asyncio.wrap_future(loading)
        self.load_seconds = time.perf_counter() - started
        self._loaded.set()

    async def score(self, body: bytes, content_type: str | None, *, wrap: bool) -> bytes:
        """Return the JSON answer for a body.

        Raises ServingError: 400, 415, 500 from the model, 503 when no slot was free in
        max_queue_wait_ms, 504 when the model took longer than scoring_timeout_ms.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.config["max_queue_wait_ms"] / 1000
        model = await self._wait_for_model(deadline - loop.time())
        if not await self._gate.enter(deadline - loop.time()):
            text = "Too many requests for this service (overloaded); try again."
            raise ServingError(503, text, {"retry-after": "1"})
        context = contextvars.copy_context()
        dialect = INVOCATIONS if wrap else SCORE
        asked = [ScoreRequest(body, content_type, dialect, request_id.get())]
        call = self._thread.submit(context.run, model.answer, asked)
        call.add_done_callback(lambda _: loop.call_soon_threadsafe(self._gate.leave))
        (outcome,) = await self._await_call(call)
        if isinstance(outcome, Answer):
            return outcome.body
        raise outcome

    async def _wait_for_model(self, seconds: float) -> Servable:
        if self.model is None:
            try:
                await asyncio.wait_for(self._loaded.wait(), max(0.0, seconds))
            except asyncio.TimeoutError:  # noqa: UP041  # another class before Python 3.11
                text = "The model is still loading; try again."
                raise ServingError(503, text, {"retry-after": "2"}) from None
        assert self.model is not None
        return self.model

    async def _await_call(self, call: Future[list[Outcome]]) -> list[Outcome]:
        limit = self.config["scoring_timeout_ms"]
        answer = asyncio.wrap_future(call)
        done, _ = await asyncio.wait({answer}, timeout=limit / 1000)
        if done:
            return answer.result()
        if not call.cancel():  # it runs, and Python cannot interrupt it
            asyncio.get_running_loop().call_later(STUCK_SECONDS, self._check_stuck, call)
        answer.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise ServingError(504, f"Scoring timeout after {limit} ms.")

    def _check_stuck(self, call: Future[list[Outcome]]) -> None:
        if not call.done():
            seconds = self.config["scoring_timeout_ms"] / 1000 + STUCK_SECONDS
            self._on_stuck(f"a scoring call did not return within {seconds:g} s")


def _guard(load: Callable[[], Servable]) -> Servable:
    """Turn SystemExit and its kind, which a thread pool would let pass oddly, into an error."""
    try:
        return load()
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"the model's code raised {type(error).__name__}: {error}") from error
