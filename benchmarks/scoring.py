"""Every server on every model: start to first answer, memory at rest, requests per second."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import SubprocessError
from typing import TypeVar

from benchmarks.contenders import ALL
from benchmarks.environments import Missing
from benchmarks.load import Result, measure
from benchmarks.models import Model, train
from benchmarks.servers import Server

Made = TypeVar("Made")
Case = tuple[int, int]  # clients, rows
CASES: tuple[Case, ...] = tuple((clients, rows) for rows in (1, 1000) for clients in (1, 8, 64))
WARM_UP = 1.0  # seconds
STARTS = 4
PATIENCE = 20.0  # seconds


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
    """Measure every server on every model; one that cannot run here is left out, and said."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trained = [train(model, folder) for model in models]
        return {model.name: of_model(model, servers, cases, seconds, folder) for model in trained}


def of_model(
    model: Model, servers: Sequence[str], cases: Sequence[Case], seconds: float, folder: Path
) -> dict[str, Measured]:
    """Measure the starts of all servers in turn, then one server after the other."""
    made: dict[str, Server] = {}
    for number, name in enumerate(servers):
        work = folder / f"{model.name}-{number}"
        work.mkdir()
        server = attempt(name, model, partial(ALL[name], model, work))
        if server is not None:
            made[name] = server
    first = starts(made, model)
    found = {}
    for name in first:
        loads = partial(loaded, made[name], model, cases, seconds, folder)
        measured = attempt(name, model, loads)
        if measured is not None:
            measured.start = min(first[name])
            found[name] = measured
    return found


def starts(servers: dict[str, Server], model: Model) -> dict[str, list[float]]:
    """Return the seconds to the first answer of those that started each time."""
    first: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(STARTS):  # the first also fills the disk's cache and writes .pyc files
        for name in list(first):
            took = attempt(name, model, partial(start, servers[name], model))
            if took is None:
                del first[name]
            else:
                first[name].append(took)
    return first


def attempt(name: str, model: Model, make: Callable[[], Made]) -> Made | None:
    """Return what was made or measured, or None after saying why it could not be."""
    try:
        return make()
    except (Missing, RuntimeError, ValueError, OSError, SubprocessError) as error:
        print(f"Left out: {name} with {model.name}: {error}", file=sys.stderr)
        return None


def start(server: Server, model: Model) -> float:
    """Return seconds to the first answer; raises RuntimeError."""
    try:
        server.start(model.body(1, server.dialect))
        return server.first_answer
    finally:
        server.stop()


def loaded(
    server: Server, model: Model, cases: Sequence[Case], seconds: float, work: Path
) -> Measured:
    """Start a server, and measure its memory and what it answers under load."""
    body = {rows: model.body(rows, server.dialect) for rows in {rows for _, rows in cases} | {1}}
    try:
        server.start(body[1])
        measured = Measured(memory=server.memory_mb())
        for clients, rows in cases:
            ask = (server.url, server.headers, body[rows], clients)
            measure(*ask, WARM_UP, work)
            result = measure(*ask, seconds, work)
            if not result.rate:  # nothing in that time: it is slower, not infinitely slow
                result = measure(*ask, PATIENCE, work)
            measured.load[clients, rows] = result
            print(f"{model.name:8}{server.name:28}{clients:>4}{rows:>6}", end="", file=sys.stderr)
            print(f"{result.rate:>10.0f}{result.p50:>9.2f}{result.p99:>9.2f}", file=sys.stderr)
        return measured
    finally:
        server.stop()
