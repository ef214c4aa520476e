"""Texts of Python that several threads read at once."""

from __future__ import annotations

import ast
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from workspaces.syntax import TRIES, undisturbed

NESTED = "\n".join(f"x{n} = [{n}, [{n}, [{n}, [{n}]]]]" for n in range(60))


@pytest.fixture
def interrupting_collector() -> Iterator[None]:
    """The collector runs often, and lets other threads go on in the middle of a tree."""

    def let_others(_phase: str, _facts: object) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(let_others)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(let_others)


def test_threads_that_parse_at_once_do_not_disturb_each_other(interrupting_collector: None) -> None:
    def trees(_thread: int) -> int:
        return sum(len(undisturbed(lambda: ast.parse(NESTED)).body) for _time in range(30))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(trees, range(4))) == [30 * 60] * 4


def test_a_parse_that_a_library_interrupted_is_tried_again() -> None:
    tries: list[int] = []

    def parse() -> str:
        tries.append(1)
        if len(tries) < TRIES:
            raise SystemError("AST constructor recursion depth mismatch (before=204, after=208)")
        return "a tree"

    assert undisturbed(parse) == "a tree"


def test_what_is_no_python_is_said_at_once() -> None:
    tries: list[int] = []

    def parse() -> ast.Module:
        tries.append(1)
        return ast.parse("def")

    with pytest.raises(SyntaxError):
        undisturbed(parse)
    assert len(tries) == 1
