"""The one model thread of a worker, and the requests that wait for their turn in it.

Everything but `_work` runs on the event loop, so nothing needs a lock. A request first waits for
one of `max_concurrent` slots (503 when that takes too long or too many wait), then for the thread
(504 when its answer takes too long). The thread is given one request or, with `batch`, all that
arrived meanwhile; no timer makes a request wait for company.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from serving import logs
from serving.contract import MAX_QUEUE, STUCK_SECONDS, ReplicaConfig
from serving.errors import ServingError
from serving.scoring import Answer, Outcome, ScoreRequest, Servable

log = logging.getLogger("serving.batch")

T = TypeVar("T")

# Seconds of a call from which on its answers are written before the next one begins. Their clients
# ask again at once, and a call that costs this much is cheaper for all than one for each half.
ANSWERS_FIRST = 0.002

WAITING, READY, RUNNING, OVER = range(4)  # where a job is


class Returned(NamedTuple):
    """What a function given to `Batcher.call` returned."""

    value: Any


class Job:
    """Something for the model thread; `done` is called once with its outcome, on the loop."""

    __slots__ = ("deadline", "done", "place", "work")

    def __init__(self, work: ScoreRequest | Callable[[], Any], done: Callable[[Any], None]) -> None:
        self.work: ScoreRequest | Callable[[], Any] | None = work  # None once it is over
        self.done: Callable[[Any], None] | None = done
        self.place = WAITING
        self.deadline = 0.0  # loop.time()

    def end(self) -> None:
        """Let go of the request: a line may still hold this job behind a slow one."""
        self.place, self.work = OVER, None

    def settle(self, outcome: object) -> None:
        """Tell who asked, unless somebody already did or nobody listens any more."""
        done, self.done = self.done, None
        if done is not None:
            try:
                done(outcome)
            except Exception:  # one caller's fault must not keep the others from their answers
                log.exception("an answer could not be delivered")


class Batcher:
    """Queue, limits and thread in front of one model.

    Args:
        on_stuck: called with a sentence when a call hangs past all patience.
        on_batch: called with the number of requests given to the model together.
    """

    def __init__(
        self,
        config: ReplicaConfig,
        on_stuck: Callable[[str], None],
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.servable: Servable | None = None
        self._slots = max(1, config["max_concurrent"])
        self._max_queue = config.get("max_queue", MAX_QUEUE)
        self._timeout_ms = config["scoring_timeout_ms"]
        self._on_stuck, self._on_batch = on_stuck, on_batch
        self._held = 0  # slots in use
        self._queue = _Line(config["max_queue_wait_ms"] / 1000, self._give_up_waiting)
        self._admitted = _Line(self._timeout_ms / 1000, self._time_out)
        self._ready: deque[Job] = deque()  # admitted and not begun
        self._running: list[Job] = []
        self._busy = self._scheduled = False
        self._work_queue: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The worker's event loop, known from the first use on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._work, name="model", daemon=True).start()
        return self._loop

    def queue_length(self) -> int:
        """Return how many requests wait, for a slot or for the thread."""
        return len(self._queue.jobs) + len(self._ready)

    # --- asking -------------------------------------------------------------------------------

    async def load(self, function: Callable[[], Servable]) -> None:
        """Load the model in the model thread; raises what its code raises."""
        future: asyncio.Future[Any] = self.loop.create_future()
        self._busy = True
        self._work_queue.put(partial(self._call, contextvars.copy_context(), function, future))
        try:
            outcome = await future
        finally:
            self._busy = False
        if isinstance(outcome, BaseException):
            raise outcome
        self.servable = outcome.value
        self._admit_waiting()

    def submit(self, request: ScoreRequest, done: Callable[[Outcome], None]) -> Job:
        """Score a request; `done` gets its outcome, perhaps before this returns."""
        return self._enter(Job(request, done))

    async def score(self, request: ScoreRequest) -> Answer:
        """Score a request; raises ServingError: what the model answers, 503 or 504."""
        outcome = await self._outcome(request)
        if isinstance(outcome, ServingError):
            raise outcome
        answer: Answer = outcome
        return answer

    async def call(self, function: Callable[[], T]) -> T:
        """Run `function` alone in the model thread, under the same limits; raises what it raises.

        It runs in the caller's context (request id). Raises ServingError 503 and 504 as well.
        """
        outcome = await self._outcome(partial(contextvars.copy_context().run, function))
        if isinstance(outcome, BaseException):
            raise outcome
        value: T = outcome.value
        return value

    async def _outcome(self, work: ScoreRequest | Callable[[], Any]) -> Any:
        future: asyncio.Future[Any] = self.loop.create_future()
        job = self._enter(Job(work, partial(_tell, future)))
        try:
            return await future
        finally:
            self.cancel(job)  # of no effect on one that is over

    def cancel(self, job: Job) -> None:
        """Forget a job whose caller is gone; one that runs is not interrupted."""
        job.done = None
        self._leave(job)

    # --- slots --------------------------------------------------------------------------------

    def _enter(self, job: Job) -> Job:
        if self.servable is not None and self._held < self._slots:
            self._admit(job)
        elif len(self._queue.jobs) >= self._max_queue:
            job.end()
            job.settle(self._refusal())
        else:
            self._queue.add(job, self.loop)
        return job

    def _admit(self, job: Job) -> None:
        self._held += 1
        job.place = READY
        self._ready.append(job)
        self._admitted.add(job, self.loop)
        self._dispatch_soon()

    def _dispatch_soon(self) -> None:
        """Begin after this tick's other arrivals."""
        if not self._busy and not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._dispatch)

    def _admit_waiting(self) -> None:
        waiting = self._queue.jobs
        while waiting and self._held < self._slots:
            self._admit(waiting.popleft())

    def _leave(self, job: Job) -> None:
        place = job.place
        if place != RUNNING:
            job.end()
        if place == WAITING:
            self._queue.jobs.remove(job)
        elif place == READY:
            self._ready.remove(job)
            self._held -= 1
            self._admitted.forget_over()
            self._admit_waiting()

    def _refusal(self) -> ServingError:
        if self.servable is None:
            text = "The model is still loading; try again."
            return ServingError(503, text, {"retry-after": "2"})
        text = "Too many requests for this service (overloaded); try again."
        return ServingError(503, text, {"retry-after": "1"})

    def _give_up_waiting(self, job: Job) -> None:
        job.end()
        job.settle(self._refusal())

    def _time_out(self, job: Job) -> None:
        if job.place == RUNNING:  # Python cannot interrupt it
            if job is self._running[0]:  # once for the whole batch
                self.loop.call_later(STUCK_SECONDS, self._check_stuck, job)
        else:
            self._leave(job)
        job.settle(ServingError(504, f"Scoring timeout after {self._timeout_ms} ms."))

    def _check_stuck(self, job: Job) -> None:
        if job.place == RUNNING:
            seconds = self._timeout_ms / 1000 + STUCK_SECONDS
            self._on_stuck(f"a scoring call did not return within {seconds:g} s")

    # --- to the thread and back ---------------------------------------------------------------

    def _dispatch(self) -> None:
        self._scheduled = False
        if self._busy or not self._ready:
            return
        self._busy = True
        jobs = self._running = self._take()
        for job in jobs:
            job.place = RUNNING
        work = jobs[0].work
        if isinstance(work, ScoreRequest):
            self._on_batch(len(jobs))
            requests: list[Any] = [job.work for job in jobs]
            assert self.servable is not None
            self._work_queue.put(partial(_scored, self.servable, requests))
        elif work is not None:
            self._work_queue.put(partial(_called, work))

    def _take(self) -> list[Job]:
        ready = self._ready
        first = ready.popleft()
        jobs = [first]
        if self.servable is not None and self.servable.batches and _is_request(first):
            while ready and _is_request(ready[0]):
                jobs.append(ready.popleft())
        return jobs

    def _finished(self, seconds: float, outcomes: Sequence[object]) -> None:
        jobs, self._running = self._running, []
        for job in jobs:
            job.end()
        self._busy = False
        self._held -= len(jobs)
        self._admit_waiting()
        slow = seconds > ANSWERS_FIRST
        if not slow:
            self._dispatch()  # the model works while the answers are written
        for job, outcome in zip(jobs, outcomes):  # noqa: B905  # equal by construction; 3.9
            job.settle(outcome)
        self._admitted.forget_over()
        if slow:
            self._dispatch_soon()  # with those who have asked again by then

    def _work(self) -> None:
        assert self._loop is not None
        while True:
            work = self._work_queue.get()
            begun = time.perf_counter()
            outcomes = work()
            if outcomes is not None:
                seconds = time.perf_counter() - begun
                with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                    self._loop.call_soon_threadsafe(self._finished, seconds, outcomes)
            del work, outcomes  # or they would stay until the next are here

    def _call(
        self, context: contextvars.Context, function: Callable[[], Any], future: asyncio.Future[Any]
    ) -> None:
        outcome = _called(partial(context.run, function))[0]
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(_tell, future, outcome)


class _Line:
    """Jobs with the same patience, so in order of their deadlines; one timer watches the first."""

    def __init__(self, seconds: float, on_late: Callable[[Job], None]) -> None:
        self.jobs: deque[Job] = deque()
        self._seconds, self._on_late = seconds, on_late
        self._timer: asyncio.TimerHandle | None = None

    def add(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        """Append a job; it is late in `seconds` from now."""
        job.deadline = loop.time() + self._seconds
        self.jobs.append(job)
        if self._timer is None:
            self._timer = loop.call_at(job.deadline, self._look, loop)

    def forget_over(self) -> None:
        """Drop the jobs at the head that are over."""
        jobs = self.jobs
        while jobs and jobs[0].place == OVER:
            jobs.popleft()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        while self.jobs and (self.jobs[0].place == OVER or self.jobs[0].deadline <= loop.time()):
            job = self.jobs.popleft()
            if job.place != OVER:
                self._on_late(job)
        if self.jobs and self._timer is None:  # an answer to a late one may have added another
            self._timer = loop.call_at(self.jobs[0].deadline, self._look, loop)


def _is_request(job: Job) -> bool:
    return isinstance(job.work, ScoreRequest)


def _tell(future: asyncio.Future[Any], outcome: object) -> None:
    if not future.done():
        future.set_result(outcome)


def _scored(servable: Servable, requests: list[ScoreRequest]) -> Sequence[Outcome]:
    """Score in the model thread; whatever a model raises, the thread lives on."""
    alone = requests[0].request_id if len(requests) == 1 else ""
    with logs.during(alone):
        try:
            outcomes = servable.answer(requests)
            if len(outcomes) == len(requests):
                return outcomes
            log.error("%d answers for %d requests", len(outcomes), len(requests))
        except BaseException:
            log.exception("the model raised an exception")
        text = "The model raised an exception; the log has it."
        return [ServingError(500, text) for _ in requests]


def _called(function: Callable[[], Any]) -> list[object]:
    try:
        return [Returned(function())]
    except Exception as error:
        return [error]
    except BaseException as error:  # SystemExit and its kind, which would end the event loop
        text = f"the model's code raised {type(error).__name__}: {error}"
        cause = RuntimeError(text)
        cause.__cause__ = error
        return [cause]
    finally:
        logs.end_prints()
