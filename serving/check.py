"""`python -m serving check --model DIR`: does the model load, does its own example score?"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving import memory
from serving.errors import plain_reason

if TYPE_CHECKING:
    from serving.contract import ReplicaConfig
    from serving.loaders.base import NoCode

RUNS = 5  # scorings of the example; the median is reported
MEASURED = ("load_seconds", "rows", "ms_per_row", "error", "row_wise", "row_wise_reason")


def run_check(folder: Path, loader: str | None = None) -> int:
    """Print one JSON line about the model (see `check`); returns 0 when it is ok.

    What the model prints goes to stderr, so that stdout holds the JSON alone.
    """
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    found = check(folder, loader)
    with os.fdopen(answer_fd, "w", encoding="utf-8") as out:
        out.write(json.dumps(found) + "\n")
    sys.stderr.flush()
    return 0 if found["ok"] else 1


def check(folder: Path, loader: str | None = None) -> dict[str, Any]:
    """Load the model, score its input example, see whether it is row-wise.

    Never raises for what the model does. Without an example `rows` and `ms_per_row` are None and
    the model is ok when it loads.

    Args:
        folder: an MLflow model's folder.
        loader: "fast" or "plain"; None for the one that suits the model.

    Returns:
        {ok, load_seconds, rows, ms_per_row, memory_mb, error, row_wise, row_wise_reason, loader,
        loader_reason}; row_wise is None when the model did not load.
    """
    result: dict[str, Any] = dict.fromkeys(MEASURED)
    result["row_wise_reason"] = "The model was not scored."
    result["ok"] = False
    try:
        result["loader"], result["loader_reason"] = _loader(folder, loader)
        _measure(folder, result)
        result["ok"] = True
    except (Exception, SystemExit) as error:
        result["error"] = plain_reason(error)
    result["memory_mb"] = round(memory.peak(), 1)
    return result


def _loader(folder: Path, given: str | None) -> tuple[str, str]:
    from serving.choose import choose
    from serving.loaders.mlmodel import read_mlmodel

    chosen, reason = choose(read_mlmodel(folder))
    if given is None or given == chosen:
        return chosen, reason
    return given, f"Asked for. {reason}"


def _measure(folder: Path, result: dict[str, Any]) -> None:
    started = time.perf_counter()
    from serving.loaders import load  # counted: it is part of what a start costs

    model: Any = load(_config(folder, result["loader"]), folder)
    result["load_seconds"] = round(time.perf_counter() - started, 3)
    _score_example(model, result)
    from serving.loaders.row_wise import row_wise

    result["row_wise"], result["row_wise_reason"] = row_wise(model)


def _score_example(model: NoCode, result: dict[str, Any]) -> None:
    from serving.errors import ServingError
    from serving.scoring import INVOCATIONS, ScoreRequest

    document = model.example()
    if document is None:
        return
    request = ScoreRequest(json.dumps(document).encode(), None, INVOCATIONS, "")
    data = model.task(request, exact=True).data
    rows = len(data) if hasattr(data, "shape") and data.shape else 1
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        (outcome,) = model.answer([request])
        times.append(time.perf_counter() - started)
        if isinstance(outcome, ServingError):
            raise outcome
    result["rows"] = rows
    result["ms_per_row"] = round(statistics.median(times) * 1000 / max(1, rows), 3)


def _config(folder: Path, loader: str) -> ReplicaConfig:
    config: Any = {
        "service": "check",
        "revision": 0,
        "model_dir": str(folder),
        "model_name": "check",
        "model_version": "0",
        "verbose_errors": True,
        "loader": loader,
    }
    found: ReplicaConfig = config
    return found
