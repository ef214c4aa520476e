"""`python -m serving try --plan FILE`: would this replica work? One JSON line says all of it.

What pre-flight runs where the service will run. Unlike `check` it takes all that a replica takes
(entry scripts too), scores any sample, compares the answer, and tells what was used.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from serving import memory
from serving.compare import difference
from serving.errors import ServingError, plain_reason
from serving.files import read_json
from serving.scoring import INVOCATIONS, SCORE, Answer, ScoreRequest
from serving.workers import worker_environment

if TYPE_CHECKING:
    from serving.contract import TrialPlan

MARK = '{"trial": 1'  # how the answer's line begins, whatever the model printed before
RUNS = 5  # scorings of the sample; the median is reported
RUNS_SECONDS = 10.0  # no further run after this long
MAX_TRACEBACK = 8000  # characters of its end
MAX_ANSWER = 4000  # characters shown of what the model answered


def run_trial(path: Path) -> int:
    """Print one JSON line (see `trial`); returns 0 when it is ok.

    What the model prints goes to stderr, so that stdout holds the JSON alone.
    """
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    plan = cast("TrialPlan", read_json(path))
    os.environ.update(worker_environment(plan["config"]))
    found = trial(plan, path.resolve().parent)
    with os.fdopen(answer_fd, "w", encoding="utf-8") as out:
        out.write("\n" + json.dumps(found) + "\n")
    sys.stderr.flush()
    return 0 if found["ok"] else 1


def trial(plan: TrialPlan, folder: Path) -> dict[str, Any]:
    """Load the model or script, score the sample, compare, measure. Raises nothing of theirs.

    Args:
        folder: a replica's folder that may be written.

    Returns:
        trial: 1. ok: nothing failed. stage: where it failed, "load", "signature", "score",
        "output"; "" when it did not. error: one line; traceback: the end of it, "" without one.
        loader. load_seconds. sample: "given", "example" or "none". rows, ms_per_row, first_ms:
        None when nothing was scored. answer: its beginning. output_equal: None when there was
        nothing to compare. row_wise: None for scripts and for what did not load; row_wise_reason.
        rest_mb: proportional set size once loaded; peak_mb: most that was ever resident.
    """
    result: dict[str, Any] = {"trial": 1, "ok": False, "stage": "load", "error": ""}
    result.update(dict.fromkeys(("load_seconds", "rows", "ms_per_row", "first_ms", "rest_mb")))
    result.update(dict.fromkeys(("output_equal", "row_wise", "answer", "loader")))
    result.update({"traceback": "", "sample": "none", "row_wise_reason": ""})
    seen = _Raised()
    logging.getLogger("serving").addHandler(seen)
    try:
        _try(plan, folder, result)
        result.update(ok=True, stage="")
    except ServingError as error:
        result.update(error=error.message[:1000], traceback=seen.text)
    except (Exception, SystemExit) as error:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        result.update(error=plain_reason(error), traceback="".join(lines)[-MAX_TRACEBACK:])
    finally:
        logging.getLogger("serving").removeHandler(seen)
    result["peak_mb"] = round(memory.peak(), 1)
    return result


class _Raised(logging.Handler):
    """Remembers the last exception that the runtime logged: the caller is told one line only."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self.text = "".join(traceback.format_exception(*record.exc_info))[-MAX_TRACEBACK:]


def _try(plan: TrialPlan, folder: Path, result: dict[str, Any]) -> None:
    config = plan["config"]
    result["loader"] = config["loader"]
    started = time.perf_counter()
    from serving.loaders import load  # counted: it is part of what a start costs

    model: Any = load(config, folder)
    result["load_seconds"] = round(time.perf_counter() - started, 3)
    gc.collect()
    result["rest_mb"] = round(memory.proportional([os.getpid()]), 1)
    is_script = config["loader"] == "script"
    request = _request(plan, None if is_script else model, result)
    if request is not None:
        if not is_script:
            result["stage"] = "signature"
            result["rows"] = _rows(model.task(request, exact=True).data)
        result["stage"] = "score"
        _compare(plan, _score(model, request, result), result)
    if not is_script:
        _row_wise(model, result)


def _request(plan: TrialPlan, model: Any, result: dict[str, Any]) -> ScoreRequest | None:
    """Return what to score: the person's sample, else the model's own example, else None."""
    kind = plan.get("content_type")
    if "input" in plan:
        given = plan["input"]
        body = given if isinstance(given, str) else json.dumps(given)
        result["sample"] = "given"
        return ScoreRequest(body.encode(), kind, SCORE, "")
    document = model.example() if model is not None else None
    if document is None:
        return None
    result["sample"] = "example"
    return ScoreRequest(json.dumps(document).encode(), None, INVOCATIONS, "")


def _rows(data: Any) -> int:
    return len(data) if getattr(data, "shape", None) else 1


def _score(model: Any, request: ScoreRequest, result: dict[str, Any]) -> bytes:
    times: list[float] = []
    answer = b""
    end = time.perf_counter() + RUNS_SECONDS
    while len(times) < RUNS and (not times or time.perf_counter() < end):
        started = time.perf_counter()
        (outcome,) = model.answer([request])
        times.append((time.perf_counter() - started) * 1000)
        if isinstance(outcome, ServingError):
            if outcome.status == 400 and getattr(model, "inputs", None) is not None:
                result["stage"] = "signature"  # MLflow's loader looks at it only now
            raise outcome
        assert isinstance(outcome, Answer)
        if outcome.status >= 400:
            text = outcome.body[:500].decode("utf-8", "replace")
            raise ServingError(outcome.status, f"The script answered {outcome.status}: {text}")
        answer = outcome.body
    rows = max(1, result["rows"] or 1)
    result["first_ms"] = round(times[0], 3)
    result["ms_per_row"] = round(statistics.median(times) / rows, 4)
    result["answer"] = answer[:MAX_ANSWER].decode("utf-8", "replace")
    return answer


def _compare(plan: TrialPlan, answer: bytes, result: dict[str, Any]) -> None:
    if "output" not in plan:
        return
    try:
        got = json.loads(answer)
    except ValueError:
        got = answer.decode("utf-8", "replace")
    found = difference(plan["output"], got)
    result["output_equal"] = not found
    if found:
        result["stage"] = "output"
        raise ServingError(500, found)


def _row_wise(model: Any, result: dict[str, Any]) -> None:
    result["stage"] = "score"
    from serving.loaders.row_wise import row_wise

    result["row_wise"], result["row_wise_reason"] = row_wise(model)
