"""A sample input may come in any of the shapes that scoring takes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.samples import Sample, inputs_of, json_read, outputs_of, sample_read
from workspaces.errors import Invalid

EXAMPLES = int(os.environ.get("SLIPWAY_TEST_EXAMPLES", "25"))
TABLE = Sample(["a", "b"], [[1, "x"], [2, "y"]])


@pytest.mark.parametrize(
    "value",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        {"dataframe_records": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]},
        {"a": [1, 2], "b": ["x", "y"]},
        {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, "y"]]}},
    ],
)
def test_tables_are_tables_however_they_are_written(value: Any) -> None:
    found = sample_read(value)
    assert found == TABLE
    assert inputs_of(TABLE) == [
        {"name": "a", "type": "double", "required": True},
        {"name": "b", "type": "string", "required": True},
    ]


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ({"data": [[1.0, 2.0]]}, [[1.0, 2.0]]),
        ({"inputs": [[1.0, 2.0]]}, [[1.0, 2.0]]),
        ([1.0, 2.0], [[1.0, 2.0]]),
        ([[[1], [2]]], [[[1], [2]]]),
    ],
)
def test_arrays_are_arrays(value: Any, rows: Any) -> None:
    assert sample_read(value) == Sample(rows=rows)


@pytest.mark.parametrize(
    "value", ["text", 3, None, [], {}, [[1], [1, 2]], {"a": {"b": 1}}, [[None]]]
)
def test_what_only_a_script_knows_is_no_sample_of_a_model(value: Any) -> None:
    assert sample_read(value) is None


def test_types_are_told_from_the_cells() -> None:
    cells = {"t": [True, False], "i": [1, 2], "f": [1, 2.5], "n": [None, 1.5], "s": ["a", None]}
    sample = sample_read(cells)
    assert sample is not None
    kinds = [item["type"] for item in inputs_of(sample) or []]
    assert kinds == ["boolean", "double", "double", "double", "string"]
    assert outputs_of({"predictions": [1.5, 2.5]}) == [
        {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}
    ]


@pytest.mark.parametrize(
    "text", ["{", "NaN", "[Infinity]", "[" * 100_000, '"\\u0000"', '"\\ud800"']
)
def test_what_is_no_json_is_refused_on_its_field(text: str) -> None:
    with pytest.raises(Invalid) as error:
        json_read(text, "sample_input")
    assert set(error.value.fields) == {"sample_input"}


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_any_json_is_a_sample_or_none(value: Any) -> None:
    found = sample_read(value)
    if found is not None:
        json.dumps(found.body())
        json.dumps(inputs_of(found))
    json.dumps(outputs_of(value))
