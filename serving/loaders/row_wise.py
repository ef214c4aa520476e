"""Whether a model is row-wise: a row's answer does not depend on the rows scored with it."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from serving.errors import plain_reason
from serving.loaders.base import NoCode, Task
from serving.loaders.example import example_rows
from serving.loaders.merge import parted, rows
from serving.loaders.samples import body, draw
from serving.scoring import SCORE, ScoreRequest

ROWS = 64
SIZES = (2, 3, 8, 16, 64)
ULPS = 4  # floats of the answers may differ by this many units in the last place
SEED = 77


class Unequal(Exception):
    """A difference; its text says which."""


def row_wise(model: NoCode) -> tuple[bool, str]:
    """Return whether rows may be scored together, and a sentence why (not).

    At least 64 rows, the model's example's and variations of them, are scored alone, in batches of
    several sizes and among different neighbours. Integers, texts and shapes must be equal, floats
    within 4 units in the last place. Any error, and fewer than 2 distinct rows, mean no.
    """
    if model.inputs is None:
        return False, "The model has no signature to draw rows from."
    try:
        sample = draw(model.inputs, example_rows(model.example(), model.inputs), ROWS)
        if len({json.dumps(row) for row in sample}) < 2:
            return False, "There are fewer than 2 distinct rows to compare."
        _compare(model, [_task(model, row) for row in sample])
    except Unequal as error:
        return False, str(error)
    except Exception as error:  # the model, not the check, decides what can go wrong
        return False, f"Scoring rows that the signature allows failed: {plain_reason(error)}"
    return True, f"{ROWS} rows scored alone, together and among others gave equal answers."


def _task(model: NoCode, row: list[Any]) -> Task:
    assert model.inputs is not None
    text = json.dumps(body(model.inputs, [row])).encode()
    return model.task(ScoreRequest(text, None, SCORE, ""))


def _compare(model: NoCode, tasks: list[Task]) -> None:
    if any(task.layout is None for task in tasks):
        raise Unequal("Its input has a form that is scored alone.")
    alone = [_predict(model, [task])[0] for task in tasks]
    rng = random.Random(SEED)  # noqa: S311  # no secret
    for size in SIZES:
        for shuffled in (False, True):
            order = list(range(len(tasks)))
            if shuffled:
                rng.shuffle(order)
            for start in range(0, len(order), size):
                places = order[start : start + size]
                found = _predict(model, [tasks[place] for place in places])
                for place, part in zip(places, found):  # noqa: B905  # Python 3.9
                    _equal(alone[place], part, f"row {place} in a batch of {len(places)}")


def _predict(model: NoCode, tasks: list[Task]) -> list[Any]:
    if len({task.layout for task in tasks}) > 1:
        raise Unequal("Its rows differ in form, so that they are not scored together.")
    raw = model.predict(model.together(tasks), tasks[0].params)
    parts = parted(raw, [rows(task.data) for task in tasks])
    if parts is None:
        raise Unequal("Its result is not one item per row.")
    return parts


def _equal(alone: Any, batched: Any, where: str) -> None:
    if not _same(alone, batched):
        raise Unequal(f"The answer for {where} differs from the answer alone.")


def _same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_same, left, right))
    if hasattr(left, "dtypes"):  # a frame or a series
        columns = hasattr(left, "columns")
        if columns and list(left.columns) != list(right.columns):
            return False
        parts = [(left[n], right[n]) for n in left.columns] if columns else [(left, right)]
        return all(_same(a.to_numpy(), b.to_numpy()) for a, b in parts)
    if isinstance(left, np.ndarray):
        return _same_arrays(left, right)
    if isinstance(left, (float, np.floating)):
        return _same_arrays(np.asarray(left), np.asarray(right))
    return bool(left == right)


def _same_arrays(left: Any, right: Any) -> bool:
    if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
        return False
    if left.dtype.kind == "O":
        return all(map(_same, left.ravel().tolist(), right.ravel().tolist()))
    if left.dtype.kind != "f":
        return bool(np.array_equal(left, right))
    if left.dtype != right.dtype:
        return False
    with np.errstate(invalid="ignore"):
        near = np.abs(left - right) <= ULPS * np.spacing(np.maximum(np.abs(left), np.abs(right)))
    return bool((near | (left == right) | (np.isnan(left) & np.isnan(right))).all())
