"""Answers of a store that may be some seconds old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from workspaces.tracking.store.opening import store_id

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """What the store of this moment answered, by what was asked. Safe in threads.

    Args:
        most: answers that are kept; with one more, all are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Hashable, tuple[float, Answer]] = {}
        self._lock = threading.Lock()

    def find(self, about: Hashable, seconds: float) -> Answer | None:
        """The answer, when it is younger than so many seconds."""
        with self._lock:
            kept = self._kept.get((store_id(), about))
        return kept[1] if kept and time.monotonic() - kept[0] < seconds else None

    def asked(self, about: Hashable, seconds: float, ask: Callable[[], Answer]) -> Answer:
        """The answer that is younger than so many seconds, or the one that `ask` gives now."""
        known = self.find(about, seconds)
        if known is None:
            known = ask()
            self.keep(about, known)
        return known

    def keep(self, about: Hashable, answer: Answer) -> None:
        with self._lock:
            if len(self._kept) > self._most:
                self._kept.clear()
            self._kept[(store_id(), about)] = (time.monotonic(), answer)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
