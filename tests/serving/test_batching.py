"""The batcher: who waits, who is scored together, who is refused, and nobody is answered twice."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from serving import batch, logs
from serving.batch import Batcher
from serving.errors import ServingError
from serving.scoring import SCORE, Answer, Outcome, ScoreRequest

LIMITS = {"max_concurrent": 4, "max_queue_wait_ms": 5000, "scoring_timeout_ms": 5000}


class Held:
    """A model that answers with the request's body, once it is let go.

    `calls` is what it was given. The body b"bad" is refused, b"raise" raises and b"exit" asks the
    process to end.
    """

    def __init__(self, *, batches: bool) -> None:
        self.batches = batches
        self.calls: list[list[bytes]] = []
        self.free = threading.Event()
        self.free.set()

    def answer(self, requests: Sequence[ScoreRequest]) -> list[Outcome]:
        self.calls.append([request.body for request in requests])
        self.free.wait(10)
        return [self._one(request) for request in requests]

    def _one(self, request: ScoreRequest) -> Outcome:
        if request.body == b"raise":
            raise ArithmeticError("of the model")
        if request.body == b"exit":
            raise SystemExit(3)
        return ServingError(400, "bad") if request.body == b"bad" else Answer(request.body)

    def v2_metadata(self) -> dict[str, Any]:
        return {}

    @property
    def documents(self) -> dict[str, bytes]:
        return {}


async def batcher(model: Held, **limits: Any) -> Batcher:
    """A batcher with this model loaded."""
    config: Any = {**LIMITS, **limits}
    made = Batcher(config, pytest.fail)
    await made.load(lambda: model)
    return made


def request(body: bytes) -> ScoreRequest:
    return ScoreRequest(body, None, SCORE, body.decode())


def ask(waiting: Batcher, *bodies: bytes) -> list[asyncio.Task[Answer]]:
    return [asyncio.create_task(waiting.score(request(body))) for body in bodies]


async def until(true: Callable[[], Any]) -> None:
    async def poll() -> None:
        while not true():
            await asyncio.sleep(0.005)

    await asyncio.wait_for(poll(), 5)


async def outcomes(tasks: list[asyncio.Task[Answer]]) -> list[object]:
    """Bodies of answers and statuses of errors."""
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    return [x.body if isinstance(x, Answer) else getattr(x, "status", x) for x in found]


async def test_what_arrives_in_one_turn_of_the_loop_is_scored_together() -> None:
    model = Held(batches=True)
    waiting = await batcher(model)

    assert await outcomes(ask(waiting, b"1", b"2", b"3")) == [b"1", b"2", b"3"]
    assert model.calls == [[b"1", b"2", b"3"]]


async def test_what_arrives_while_the_model_works_is_scored_together_next() -> None:
    model = Held(batches=True)
    waiting = await batcher(model)
    model.free.clear()
    first = ask(waiting, b"1")
    await until(lambda: model.calls)
    second = ask(waiting, b"2")
    await asyncio.sleep(0.02)
    third = ask(waiting, b"3")
    await asyncio.sleep(0.02)
    model.free.set()

    assert await outcomes(first + second + third) == [b"1", b"2", b"3"]
    assert model.calls == [[b"1"], [b"2", b"3"]]


@pytest.mark.parametrize(
    ("slow_from", "calls"),
    [
        pytest.param(0.0, [[b"1"], [b"2", b"again"]], id="slow"),
        pytest.param(60.0, [[b"1"], [b"2"], [b"again"]], id="quick"),
    ],
)
async def test_who_asks_again_at_once_joins_the_next_call_of_a_slow_model(
    monkeypatch: pytest.MonkeyPatch, slow_from: float, calls: list[list[bytes]]
) -> None:
    monkeypatch.setattr(batch, "ANSWERS_FIRST", slow_from)
    model = Held(batches=True)
    waiting = await batcher(model)
    model.free.clear()
    over: list[Outcome] = []
    waiting.submit(request(b"1"), lambda _: waiting.submit(request(b"again"), over.append))
    await until(lambda: model.calls == [[b"1"]])
    waiting.submit(request(b"2"), over.append)
    model.free.set()
    await until(lambda: len(over) == 2)
    assert model.calls == calls


async def test_a_batch_holds_at_most_as_many_as_may_be_in_the_model() -> None:
    model = Held(batches=True)
    waiting = await batcher(model, max_concurrent=2)
    bodies = [b"%d" % n for n in range(5)]

    assert await outcomes(ask(waiting, *bodies)) == bodies
    assert max(map(len, model.calls)) == 2


async def test_a_model_that_does_not_batch_is_given_one_at_a_time() -> None:
    model = Held(batches=False)
    waiting = await batcher(model)

    assert await outcomes(ask(waiting, b"1", b"2")) == [b"1", b"2"]
    assert model.calls == [[b"1"], [b"2"]]


async def test_a_refused_request_leaves_its_neighbours_alone() -> None:
    waiting = await batcher(Held(batches=True))

    assert await outcomes(ask(waiting, b"1", b"bad", b"3")) == [b"1", 400, b"3"]


@pytest.mark.parametrize("body", [b"raise", b"exit"])
async def test_whatever_a_model_raises_its_thread_lives_on(body: bytes) -> None:
    waiting = await batcher(Held(batches=False))

    assert await outcomes(ask(waiting, body)) == [500]
    assert await outcomes(ask(waiting, b"next")) == [b"next"]


async def test_more_than_may_wait_is_refused_at_once() -> None:
    model = Held(batches=True)
    waiting = await batcher(model, max_concurrent=1, max_queue=2)
    model.free.clear()
    tasks = ask(waiting, b"runs")
    await until(lambda: model.calls)
    tasks += ask(waiting, b"waits", b"waits too")
    await asyncio.sleep(0)
    refused = ask(waiting, b"one too many")

    assert await outcomes(refused) == [503]
    with pytest.raises(ServingError) as error:
        refused[0].result()
    assert error.value.headers == {"retry-after": "1"}
    assert waiting.queue_length() == 2
    model.free.set()
    assert await outcomes(tasks) == [b"runs", b"waits", b"waits too"]


async def test_who_waits_too_long_for_a_slot_is_refused_and_the_others_go_on() -> None:
    model = Held(batches=True)
    waiting = await batcher(model, max_concurrent=1, max_queue_wait_ms=50)
    model.free.clear()
    running = ask(waiting, b"runs")
    await until(lambda: model.calls)

    assert await outcomes(ask(waiting, b"late", b"late too")) == [503, 503]
    model.free.set()
    assert await outcomes(running) == [b"runs"]
    assert await outcomes(ask(waiting, b"next")) == [b"next"]


async def test_a_timeout_answers_those_in_the_model_and_those_behind_them() -> None:
    model = Held(batches=False)
    waiting = await batcher(model, scoring_timeout_ms=50)
    model.free.clear()

    assert await outcomes(ask(waiting, b"hangs", b"behind it")) == [504, 504]
    model.free.set()
    assert await outcomes(ask(waiting, b"next")) == [b"next"]
    assert model.calls == [[b"hangs"], [b"next"]]


async def test_a_caller_that_is_gone_leaves_the_queue() -> None:
    model = Held(batches=True)
    waiting = await batcher(model, max_concurrent=2)
    model.free.clear()
    running = ask(waiting, b"runs")
    await until(lambda: model.calls)
    ready, queued, behind = ask(waiting, b"ready", b"queued", b"behind")
    await asyncio.sleep(0.01)
    ready.cancel()
    queued.cancel()
    await asyncio.sleep(0.01)
    model.free.set()

    assert await outcomes([*running, behind]) == [b"runs", b"behind"]
    assert model.calls == [[b"runs"], [b"behind"]]
    assert waiting.queue_length() == 0


class Body:
    """What stands for a body, and can be watched; nothing here looks into it."""


async def test_bodies_of_callers_that_are_gone_do_not_stay_behind_a_slow_call() -> None:
    model = Held(batches=False)
    waiting = await batcher(model, max_concurrent=3, scoring_timeout_ms=60_000)  # gc takes long
    model.free.clear()
    running = ask(waiting, b"runs")
    await until(lambda: model.calls)
    bodies: list[Any] = [Body() for _ in range(4)]  # two become ready, two wait for a slot
    watched = [weakref.ref(body) for body in bodies]
    jobs = [waiting.submit(ScoreRequest(b, None, SCORE, ""), pytest.fail) for b in bodies]
    bodies.clear()
    for job in jobs:
        waiting.cancel(job)
    gc.collect()

    assert [body() for body in watched] == [None] * 4
    model.free.set()
    assert await outcomes(running) == [b"runs"]


async def test_no_slot_is_lost_whatever_becomes_of_the_requests() -> None:
    model = Held(batches=True)
    waiting = await batcher(model, max_concurrent=3, max_queue=4, max_queue_wait_ms=30)
    for turn in range(30):
        tasks = ask(waiting, *[b"raise" if n == turn % 7 else b"%d" % n for n in range(10)])
        await asyncio.sleep(0.001 * (turn % 3))
        tasks[turn % 10].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    model.calls.clear()

    assert await outcomes(ask(waiting, b"a", b"b", b"c")) == [b"a", b"b", b"c"]
    assert model.calls == [[b"a", b"b", b"c"]]  # all three slots are there


async def test_a_function_runs_alone_in_the_model_thread_with_the_callers_id() -> None:
    model = Held(batches=True)
    waiting = await batcher(model)
    logs.request_id.set("its-id")
    seen: list[tuple[str, str]] = []

    def function() -> int:
        seen.append((threading.current_thread().name, logs.request_id.get()))
        return 7

    tasks = ask(waiting, b"1", b"2")
    call = asyncio.create_task(waiting.call(function))
    tasks += ask(waiting, b"3")

    assert await call == 7
    assert await outcomes(tasks) == [b"1", b"2", b"3"]
    assert seen == [("model", "its-id")]
    assert model.calls == [[b"1", b"2"], [b"3"]]


async def test_a_function_raises_to_its_caller_and_times_out_like_a_request() -> None:
    waiting = await batcher(Held(batches=False), scoring_timeout_ms=50)
    hanging = threading.Event()

    with pytest.raises(KeyError):
        await waiting.call(lambda: {}["missing"])
    with pytest.raises(ServingError) as error:
        await waiting.call(lambda: hanging.wait(5))
    assert error.value.status == 504
    hanging.set()


async def test_requests_wait_for_the_model_to_load() -> None:
    model, loading = Held(batches=True), threading.Event()
    config: Any = {**LIMITS, "max_queue_wait_ms": 2000}
    waiting = Batcher(config, pytest.fail)

    def load() -> Held:
        loading.wait(5)
        return model

    load_task = asyncio.create_task(waiting.load(load))
    await asyncio.sleep(0)
    tasks = ask(waiting, b"1", b"2")
    await asyncio.sleep(0.02)
    loading.set()
    await load_task

    assert await outcomes(tasks) == [b"1", b"2"]


async def test_who_waits_too_long_for_the_model_to_load_is_told_so() -> None:
    loading = threading.Event()
    config: Any = {**LIMITS, "max_queue_wait_ms": 30}
    waiting = Batcher(config, pytest.fail)
    load = asyncio.create_task(waiting.load(lambda: loading.wait(5) and Held(batches=True)))  # type: ignore[arg-type,return-value]
    await asyncio.sleep(0)

    with pytest.raises(ServingError) as error:
        await waiting.score(request(b"early"))
    assert error.value.status == 503
    assert "loading" in error.value.message
    loading.set()
    await load


async def test_a_call_past_all_patience_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "STUCK_SECONDS", 0.05)
    reported: list[str] = []
    model = Held(batches=True)
    config: Any = {**LIMITS, "scoring_timeout_ms": 50}
    waiting = Batcher(config, reported.append)
    await waiting.load(lambda: model)
    model.free.clear()

    assert await outcomes(ask(waiting, b"1", b"2")) == [504, 504]
    await until(lambda: reported)
    await asyncio.sleep(0.1)
    assert reported == ["a scoring call did not return within 0.1 s"]
    model.free.set()
