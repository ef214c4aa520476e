"""Where the time of a start goes: imports by package, loading of the model, the rest."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.contenders import fast_python, runtime
from benchmarks.goals import Goal
from benchmarks.models import NAMES, Model, train
from serving.contract import LOG_FILE, RECORD_FILE

LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)$")
PACKAGES = 8
INTRODUCTION = """From the start of a service's process to its first answer, fast loader, files in
the disk's cache. Imports are what `python -X importtime` says of master and worker together,
which itself slows them; so they are shares rather than seconds."""


def section(seconds: float) -> tuple[list[Goal], str]:
    """Measure, and return no goal and a Markdown section."""
    with tempfile.TemporaryDirectory() as name:
        rows = [_row(train(model, Path(name)), Path(name)) for model in NAMES]
    head = "| model | first answer, s | loading the model, s | imports by package |\n"
    return [], f"## Start\n\n{INTRODUCTION}\n\n{head}| --- | --- | --- | --- |\n" + "\n".join(rows)


def _row(model: Model, folder: Path) -> str:
    took, load, _ = _start(model, folder / f"{model.name}-plainly", {})
    _, _, log = _start(model, folder / f"{model.name}-timed", {"PYTHONPROFILEIMPORTTIME": "1"})
    spent = imports(log)
    whole = sum(spent.values()) or 1
    shares = [f"{name} {n / whole:.0%}" for name, n in spent.most_common(PACKAGES)]
    return f"| {model.name} | {took:.2f} | {load:.2f} | {', '.join(shares)} |"


def _start(model: Model, work: Path, environment: dict[str, str]) -> tuple[float, float, str]:
    """Return seconds to the first answer, of which loading, and the log."""
    server = runtime("start", fast_python(model), model, work, {"loader": "fast"})
    server.environment = environment
    try:
        for _ in range(2):
            server.stop()
            server.start(model.body(1, server.dialect))
        record = json.loads((work / "replica" / RECORD_FILE).read_text())
        log = (work / "replica" / LOG_FILE).read_text()
        return server.first_answer, record["load_seconds"] or 0.0, log
    finally:
        server.stop()


def imports(log: str) -> Counter[str]:
    """Return microseconds of importing by top-level package, from `-X importtime`."""
    spent: Counter[str] = Counter()
    for line in log.splitlines():
        if found := LINE.search(line):
            spent[found[2].partition(".")[0]] += int(found[1])
    return spent
