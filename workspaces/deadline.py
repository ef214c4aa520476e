"""How long one page may wait for MLflow altogether.

Every call to MLflow has a limit of its own; a page that makes several of them needs one for all.
Only a page has one: without `page` around it, as in tasks and while an answer is streamed,
nothing is cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

PAGE_WAIT_S = 4.0  # a page must say so within 5 s when MLflow is too slow

Item = TypeVar("Item")
Found = TypeVar("Found")


class _Wait:
    """The waiting of one page, shared by all of its threads."""

    def __init__(self) -> None:
        self.gave_up = False
        self.restart()

    def restart(self) -> None:
        self.until = time.monotonic() + PAGE_WAIT_S


_wait: ContextVar[_Wait | None] = ContextVar("wait", default=None)


@contextmanager
def page() -> Iterator[None]:
    """What is inside waits no longer than PAGE_WAIT_S for MLflow."""
    token = _wait.set(_Wait())
    try:
        yield
    finally:
        _wait.reset(token)


@contextmanager
def lifted() -> Iterator[None]:
    """What is inside may take long: a download. Also a decorator of views."""
    token = _wait.set(None)
    try:
        yield
    finally:
        _wait.reset(token)


def seconds_left() -> float | None:
    """Of the page's waiting, never below zero; None: there is no limit."""
    wait = _wait.get()
    if wait is None:
        return None
    return 0.0 if wait.gave_up else max(0.0, wait.until - time.monotonic())


def give_up() -> None:
    """MLflow let the page wait in vain: what else the page asks for is not waited for."""
    if (wait := _wait.get()) is not None:
        wait.gave_up = True


def gave_up() -> bool:
    wait = _wait.get()
    return wait is not None and wait.gave_up


def restart() -> None:
    """What passed so far was not MLflow's time but ours."""
    if (wait := _wait.get()) is not None:
        wait.restart()


def in_threads(
    work: Callable[[Item], Found], items: Iterable[Item], *, at_once: int
) -> list[Found]:
    """What `work` makes of each item, in order. The threads share the page's limit and language.

    Raises: what `work` raises for the first item that fails, when all are done.
    """
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        jobs = [pool.submit(copy_context().run, work, item) for item in items]
        return [job.result() for job in jobs]
