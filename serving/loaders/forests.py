"""Forests whose trees are asked in order, without a scheduler between them.

scikit-learn hands each tree to joblib, also where one job does them all: of the 9 ms that 100 trees
take for one row, 6 are spent on that. In order they are asked the very same, so what they add up to
is the same to the last bit. A forest with several jobs keeps its scheduler.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

MODULE = "sklearn.ensemble._forest"


def in_order() -> None:
    """Let forests of this process ask their trees in order; nothing without scikit-learn's own.

    Called after the model was loaded, which imports what it needs.
    """
    module = sys.modules.get(MODULE)
    scheduler = getattr(module, "Parallel", None)
    if isinstance(scheduler, type) and not issubclass(scheduler, InOrder):
        vars(module)["Parallel"] = type("Parallel", (InOrder,), {"scheduler": scheduler})


class InOrder:
    """Stands for `sklearn.utils.parallel.Parallel` in the module of forests."""

    scheduler: Any  # the class it stands for

    def __init__(self, n_jobs: int | None = None, **options: Any) -> None:
        self._alone = n_jobs == 1 and not options.get("verbose")
        self._parallel = None if self._alone else self.scheduler(n_jobs, **options)

    def __call__(self, tasks: Iterable[tuple[Any, tuple[Any, ...], dict[str, Any]]]) -> Any:
        """Run what `delayed` wrapped; the wrapper sets the configuration that holds here anyway."""
        if self._parallel is not None:
            return self._parallel(tasks)
        return [getattr(task, "function", task)(*args, **named) for task, args, named in tasks]
