"""Rows to try a model with: its example's, and variations drawn from the signature.

The same rows every time; nothing is drawn that the signature does not allow.
"""

from __future__ import annotations

import random
from typing import Any

from serving.loaders.signature import Input, Signature

WORDS = ("a", "b", "c")
DAYS = ("2020-01-31", "2021-06-15", "2022-12-01")
SEED = 20211


def draw(signature: Signature, example: list[list[Any]], count: int) -> list[list[Any]]:
    """Return `count` rows of JSON cells in the signature's order, the example's first.

    A cell is one of the example's in its column; a floating-point number is moved a little as
    well, so that rows differ. Where there is no example it is drawn from the column's type.

    Args:
        example: rows of the model's own example; may be empty.
    """
    rng = random.Random(SEED)  # noqa: S311  # no secret
    rows = [list(row) for row in example[:count]]
    pools = [
        [row[place] for row in example] or _pool(spec, rng)
        for place, spec in enumerate(signature.inputs)
    ]
    while len(rows) < count:
        rows.append(
            [
                _moved(spec, rng.choice(pool), rng)
                for spec, pool in zip(signature.inputs, pools)  # noqa: B905  # Python 3.9
            ]
        )
    return rows


def _pool(spec: Input, rng: random.Random) -> list[Any]:
    """Return cells that the input's type allows."""
    if spec.type == "tensor":
        return [_nested(spec.shape[1:], spec.dtype, rng) for _ in range(8)]
    if spec.type in ("double", "float"):
        return [rng.uniform(-2, 2) for _ in range(8)]
    if spec.type in ("long", "integer"):
        return list(range(5))
    pools: dict[str, list[Any]] = {
        "boolean": [False, True],
        "string": list(WORDS),
        "binary": ["YQ==", "Yg=="],
        "datetime": list(DAYS),
    }
    return pools[spec.type]


def _nested(shape: tuple[int, ...], dtype: str, rng: random.Random) -> Any:
    if shape:
        return [_nested(shape[1:], dtype, rng) for _ in range(shape[0] if shape[0] > 0 else 2)]
    if dtype.startswith("float"):
        return rng.uniform(0, 1)
    if dtype == "bool":
        return rng.random() < 0.5
    return rng.randrange(5) if "int" in dtype else rng.choice(WORDS)


def _moved(spec: Input, cell: Any, rng: random.Random) -> Any:
    if isinstance(cell, list):
        return [_moved(spec, item, rng) for item in cell]
    floats = spec.type in ("double", "float") or spec.dtype.startswith("float")
    if not floats or isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return cell
    return cell * rng.uniform(0.8, 1.2) + rng.uniform(-0.01, 0.01)


def body(signature: Signature, rows: list[list[Any]]) -> dict[str, Any]:
    """Return rows as the payload that clients of such a model send."""
    if not signature.tensors:
        columns = {"columns": signature.names} if signature.named else {}
        return {"dataframe_split": {**columns, "data": rows}}
    if not signature.named:
        return {"inputs": [row[0] for row in rows]}
    names = signature.names
    return {"inputs": {name: [row[k] for row in rows] for k, name in enumerate(names)}}
