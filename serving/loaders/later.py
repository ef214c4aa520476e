"""scikit-learn's core, imported without what it imports itself and a service hardly ever uses.

pandas is a third of the time and of the memory of a service that never sees a frame, scipy.stats
nearly half of the time of all imports. Whoever uses them later, scikit-learn included, gets them.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

STATS = "scipy.stats"
PARTS = frozenset(
    {"chi2", "gmean", "rankdata", "spearmanr"}
)  # that these take of it when they are imported
USERS = (
    *("sklearn._loss", "sklearn.metrics", "sklearn.model_selection", "sklearn.covariance"),
    "sklearn.isotonic",
)


def import_core() -> None:
    """Import scikit-learn's core without pandas and scipy.stats.

    It makes no use of either when it is imported. Wherever else they are imported, now by the
    model's own code or later, they are imported as ever.
    """
    if "sklearn" in sys.modules:
        return
    _put_off_stats()
    try:
        _import_fixes()
        for name in USERS:
            with suppress(ImportError):  # then the model's own import says what is missing
                importlib.import_module(name)
    finally:
        _have_stats()


def _import_fixes() -> None:
    """Import the module where scikit-learn keeps pandas, without it."""
    if "pandas" in sys.modules:
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]  # importing it is an ImportError
    with suppress(ImportError):
        fixes = importlib.import_module("sklearn.utils.fixes")
        if getattr(fixes, "pd", ...) is None:
            vars(fixes)["pd"] = _Later()
    del sys.modules["pandas"]


class _Later:
    """Stands for pandas where scikit-learn keeps it, and imports it when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("pandas"), name)


class _Stats(ModuleType):
    """Stands for scipy.stats while scikit-learn takes the parts that it may need of it.

    Asked for anything else, by another version, it lets the real one be imported at once.
    """

    def __getattr__(self, name: str) -> Any:
        if name in PARTS:
            return _Part(name)
        if name.startswith("__"):
            raise AttributeError(name)
        _have_stats()
        return getattr(importlib.import_module(STATS), name)


class _Part:
    """Stands for a function or a distribution of scipy.stats, and imports it when it is used."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *args: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(STATS), self.__name__)(*args, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(importlib.import_module(STATS), self.__name__), name)


def _put_off_stats() -> None:
    with suppress(ImportError):
        scipy = importlib.import_module("scipy")
        # by this SciPy itself finds its parts when they are asked for, as `scipy.stats.norm`
        if STATS not in sys.modules and hasattr(scipy, "__getattr__"):
            sys.modules[STATS] = _Stats(STATS)


def _have_stats() -> None:
    if isinstance(sys.modules.get(STATS), _Stats):
        del sys.modules[STATS]
