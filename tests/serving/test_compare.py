"""Whether an answer is the expected one: exact but for floating-point numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.compare import difference

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_everything_equals_itself_wrapped_or_not(value: Any) -> None:
    assert difference(value, value) == ""
    assert difference({"predictions": value}, {"predictions": value}) == ""
    if not (isinstance(value, dict) and "predictions" in value):
        assert difference(value, {"predictions": value}) == ""
        assert difference({"predictions": value}, value) == ""


@given(VALUES, VALUES)
def test_it_answers_for_any_two_values(one: Any, other: Any) -> None:
    assert bool(difference(one, other)) == bool(difference(other, one))


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        ([1, 2], [1, 3], "2 was expected at [1], the answer has 3."),
        ([1, 2], [1], "2 items were expected, the answer has 1."),
        ({"a": [[1]]}, {"a": [[1, 2]]}, "1 items were expected at a[0], the answer has 2."),
        ({"a": 1}, {"b": 1}, '["a"] was expected at (names)'),
        (True, 1, "true was expected"),
        ("1", 1, '"1" was expected'),
        (1.0, 1.001, "1.0 was expected, the answer has 1.001."),
        pytest.param(10**400, 1.0, "was expected", id="beyond every float"),
    ],
)
def test_the_first_difference_is_said(expected: Any, got: Any, words: str) -> None:
    assert words in difference(expected, got)


@pytest.mark.parametrize(("expected", "got"), [(1.0, 1.0 + 1e-9), (0.0, 1e-12), (152, 152.0)])
def test_numbers_with_fractions_may_differ_a_little(expected: float, got: float) -> None:
    assert difference(expected, got) == ""
