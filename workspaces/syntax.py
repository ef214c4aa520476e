"""Python's own parser, for threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

TRIES = 5
Tree = TypeVar("Tree")

_alone = threading.Lock()


def undisturbed(parse: Callable[[], Tree]) -> Tree:
    """What `parse` makes of a text with `ast`, one thread after the other.

    Before CPython 3.11.8 and 3.12.2 all threads count the depth of the trees that they build in one
    place, and a parse that another one interrupts ends with a SystemError (python/cpython
    #106905). The lock keeps our own apart; a library's is met again by another try.

    Raises: what `parse` raises; SystemError only when every try was interrupted.
    """
    with _alone:
        for _try in range(TRIES - 1):
            try:
                return parse()
            except SystemError:
                continue
        return parse()
