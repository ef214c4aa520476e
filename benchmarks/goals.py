"""What was measured held against the goals. Ratios alone: absolute times are the machine's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks import contenders as of
from benchmarks.scoring import Case, Measured, Table

FULL: Case = (64, 1)
ALONE: Case = (1, 1)
MANY_ROWS: Case = (8, 1000)
LOADED = "linear"  # whose scoring has goals; of the others the model's own time bounds every ratio
START = {"linear": 1 / 4, "forest": 1 / 4, "onnx": 1 / 10}
MEMORY = {"linear": 0.45, "forest": 0.45, "onnx": 0.25}


class Goal(NamedTuple):
    """One comparison. `ratio` is ours divided by theirs; without a `limit` it is only reported."""

    model: str
    what: str
    against: str
    ratio: float
    limit: float | None
    most: bool = False  # the ratio may be at most the limit; else at least

    @property
    def met(self) -> bool:
        if self.limit is None:
            return True
        return self.ratio <= self.limit if self.most else self.ratio >= self.limit

    def row(self) -> str:
        """Return a row of a Markdown table."""
        limit, told = "", ""
        if self.limit is not None:
            limit = f"{'≤' if self.most else '≥'} {self.limit:g}"
            told = "met" if self.met else "**missed**"
        cells = (self.model, self.what, self.against, f"{self.ratio:.3g}", limit, told)
        return f"| {' | '.join(cells)} |"


def goals(table: Table) -> list[Goal]:
    """Return every comparison for which both sides were measured."""
    return [goal for model, rows in table.items() for goal in _of_model(model, rows)]


def _of_model(model: str, rows: Mapping[str, Measured]) -> Iterator[Goal]:
    yield from _rates(model, rows)
    yield from _times(model, rows)
    pairs = [(of.FAST, START[model], MEMORY[model]), (of.PLAIN, 1 / 2, 0.6)]
    for ours, start, memory in pairs:
        if ours in rows and of.MLFLOW in rows:
            mine, theirs = rows[ours], rows[of.MLFLOW]
            what = f"{ours}: start to the first answer"
            yield Goal(model, what, of.MLFLOW, mine.start / theirs.start, start, most=True)
            what = f"{ours}: memory at rest"
            yield Goal(model, what, of.MLFLOW, mine.memory / theirs.memory, memory, most=True)


def _rates(model: str, rows: Mapping[str, Measured]) -> Iterator[Goal]:
    wanted = [
        (of.FAST, of.MLFLOW, FULL, 60),
        (of.FAST, of.MLSERVER, FULL, 10),
        (of.FAST, of.BENTOML, FULL, 10),
        (of.FAST, of.AZUREML, FULL, 10),
        (of.FAST, of.AZUREML_NUMPY, FULL, 5),
        (of.FAST, of.MLFLOW, MANY_ROWS, 8),
        (of.GATEWAY, of.MLFLOW, FULL, 15),
    ]
    for ours, theirs, case, limit in wanted:
        if _both(rows, ours, theirs, case):
            slower = rows[theirs].load[case].rate  # 0: it answered nothing in time
            ratio = rows[ours].load[case].rate / slower if slower else math.inf
            what = f"{ours}: requests/s, {_said(case)}"
            yield Goal(model, what, theirs, ratio, limit if model == LOADED else None)


def _times(model: str, rows: Mapping[str, Measured]) -> Iterator[Goal]:
    if _both(rows, of.FAST, of.MLFLOW, FULL):
        slowest = rows[of.MLFLOW].load[FULL].p99  # 0: it answered nothing in time
        ratio = rows[of.FAST].load[FULL].p99 / slowest if slowest else 0.0
        what = f"{of.FAST}: p99, {_said(FULL)}"
        yield Goal(model, what, of.MLFLOW, ratio, 1 / 20 if model == LOADED else None, most=True)
    if _both(rows, of.FAST, of.BARE, ALONE):
        ratio = rows[of.FAST].load[ALONE].p50 / rows[of.BARE].load[ALONE].p50
        what = f"{of.FAST}: p50, {_said(ALONE)}"
        yield Goal(model, what, of.BARE, ratio, 1.5 if model == LOADED else None, most=True)


def _both(rows: Mapping[str, Measured], ours: str, theirs: str, case: Case) -> bool:
    return all(name in rows and case in rows[name].load for name in (ours, theirs))


def _said(case: Case) -> str:
    clients, rows = case
    people = "1 client" if clients == 1 else f"{clients} clients"
    return f"{people}, {'1 row' if rows == 1 else f'{rows:,} rows'}"
