"""Every server on every model: start to first answer, memory at rest, requests per second."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import SubprocessError

from benchmarks.contenders import ALL, Make
from benchmarks.environments import Missing
from benchmarks.load import Result, measure
from benchmarks.models import Model, train

Case = tuple[int, int]  # clients, rows
CASES: tuple[Case, ...] = tuple((clients, rows) for rows in (1, 1000) for clients in (1, 8, 64))
WARM_UP = 1.0  # seconds
STARTS = 2


@dataclass
class Measured:
    """One server on one model. Seconds and megabytes."""

    start: float = 0.0
    memory: float = 0.0
    load: dict[Case, Result] = field(default_factory=dict)


Table = dict[str, dict[str, Measured]]  # by model and server


def run(
    models: Sequence[str], servers: Sequence[str], cases: Sequence[Case], seconds: float
) -> Table:
    """Measure one server after the other; one that cannot run here is left out, and said."""
    found: Table = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in (train(model, folder) for model in models):
            for server in servers:
                work = folder / f"{model.name}-{len(found)}-{servers.index(server)}"
                work.mkdir()
                measured = attempt(ALL[server], model, work, cases, seconds)
                if measured is not None:
                    found.setdefault(model.name, {})[server] = measured
    return found


def attempt(
    make: Make, model: Model, work: Path, cases: Sequence[Case], seconds: float
) -> Measured | None:
    """Return what was measured, or None after saying why it could not be."""
    try:
        return one(make, model, work, cases, seconds)
    except (Missing, RuntimeError, ValueError, OSError, SubprocessError) as error:
        print(f"Left out: {make.__name__} with {model.name}: {error}", file=sys.stderr)
        return None


def one(make: Make, model: Model, work: Path, cases: Sequence[Case], seconds: float) -> Measured:
    """Start a server and measure it; raises Missing and RuntimeError."""
    server = make(model, work)
    body = {rows: model.body(rows, server.dialect) for rows in {rows for _, rows in cases} | {1}}
    starts = []
    for _ in range(STARTS):  # the first also fills the disk's cache and writes .pyc files
        server.stop()
        server.start(body[1])
        starts.append(server.first_answer)
    try:
        measured = Measured(min(starts), server.memory_mb())
        for clients, rows in cases:
            ask = (server.url, server.headers, body[rows], clients)
            measure(*ask, WARM_UP, work)
            measured.load[clients, rows] = result = measure(*ask, seconds, work)
            print(f"{model.name:8}{server.name:28}{clients:>4}{rows:>6}", end="", file=sys.stderr)
            print(f"{result.rate:>10.0f}{result.p50:>9.2f}{result.p99:>9.2f}", file=sys.stderr)
        return measured
    finally:
        server.stop()
