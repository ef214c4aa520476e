"""`python -m serving check --model DIR`: does the model load, and does its own example score?"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from serving.errors import plain_reason

RUNS = 5  # scorings of the example; the median is reported


def run_check(folder: Path) -> int:
    """Print one JSON line {ok, load_seconds, rows, ms_per_row, memory_mb, error}; 0 when ok.

    What the model prints goes to stderr, so that stdout holds the JSON alone.
    """
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    found = check(folder)
    with os.fdopen(answer_fd, "w", encoding="utf-8") as out:
        out.write(json.dumps(found) + "\n")
    sys.stderr.flush()
    return 0 if found["ok"] else 1


def check(folder: Path) -> dict[str, Any]:
    """Load the model and score its input example; never raises for what the model does.

    Without an example `rows` and `ms_per_row` are None and the model is ok when it loads.
    """
    result: dict[str, Any] = dict.fromkeys(("load_seconds", "rows", "ms_per_row", "error"))
    result["ok"] = False
    try:
        _measure(folder, result)
        result["ok"] = True
    except (Exception, SystemExit) as error:
        result["error"] = plain_reason(error)
    scale = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB on Linux
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    result["memory_mb"] = round(peak / 2**20, 1)
    return result


def _measure(folder: Path, result: dict[str, Any]) -> None:
    started = time.perf_counter()
    from serving.model import Model  # counted: it is part of what a start costs
    from serving.payload import JSON_TYPE, parse
    from serving.swagger import example_body

    model = Model.load(folder, verbose_errors=True)
    result["load_seconds"] = round(time.perf_counter() - started, 3)
    body = example_body(model)
    if body is None:
        return
    data = parse(body.encode(), JSON_TYPE, model.schema).data
    rows = len(data) if hasattr(data, "shape") and data.shape else 1
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        model.answer(body.encode(), JSON_TYPE, wrap=True)
        times.append(time.perf_counter() - started)
    result["rows"] = rows
    result["ms_per_row"] = round(statistics.median(times) * 1000 / max(1, rows), 3)
