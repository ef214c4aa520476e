"""Results become the JSON that a client can read, whatever their type."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.script.encode import to_json


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Box:
    label: str
    score: float


FRAME = pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None]), 3: pd.Categorical(["a", "b"])})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([["2020-01-01"]], dtype="datetime64[ns]"), [["2020-01-01T00:00:00.000000000"]]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([True, False]), [True, False]),
        (np.array([np.nan, 1.0]), [None, 1.0]),
        (np.bool_(True), True),
        ({np.int64(2): 1, 2.5: 2, None: 3, True: 4}, {"2": 1, "2.5": 2, "null": 3, "true": 4}),
        ({datetime.date(2020, 1, 1): 5, Colour.RED: 6}, {"2020-01-01": 5, "Colour.RED": 6}),
        (FRAME, [{"t": "2020-01-01T00:00:00", "3": "a"}, {"t": None, "3": "b"}]),
        (pd.Series([1.5, None]), [1.5, None]),
        (pd.Index(["a"]), ["a"]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
        ([pd.NaT, pd.NA], [None, None]),
        (Box("cat", float("inf")), {"label": "cat", "score": None}),
        ([Colour.RED, decimal.Decimal("1.5"), PurePosixPath("a/b")], ["red", 1.5, "a/b"]),
        ([uuid.UUID(int=1)], ["00000000-0000-0000-0000-000000000001"]),
        ([datetime.timedelta(seconds=90), datetime.time(1, 2)], [90.0, "01:02:00"]),
        (b"\x00\xff", "AP8="),
        ((1, (2, 3)), [1, [2, 3]]),
        (range(3), [0, 1, 2]),
    ],
)
def test_objects_of_libraries_are_json(value: Any, expected: Any) -> None:
    assert json.loads(to_json(value)) == expected


@pytest.mark.parametrize("value", [object(), object, {"a": object()}, [lambda: 1], {1j: 2j}])
def test_what_json_cannot_hold_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        to_json(value)


def test_a_result_that_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises((ValueError, RecursionError)):
        to_json(circle)


def without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return value


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
        max_leaves=20,
    )
)
def test_documents_come_back_with_null_for_what_is_no_number(value: Any) -> None:
    expected = {} if value is None else without_nan(value)
    assert json.loads(to_json(value)) == expected
