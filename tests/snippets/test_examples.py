"""Forms from signatures, bodies from forms, JSON for reading."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from deployments.configuring.jsontext import pretty
from deployments.pages import examples

SIGNATURE = {
    "inputs": [
        {"name": "age", "type": "double", "required": True},
        {"name": "count", "type": "long", "required": True},
        {"name": "city", "type": "string", "required": False},
        {"name": "smokes", "type": "boolean", "required": True},
    ]
}
EXAMPLE = {
    "dataframe_split": {
        "columns": ["age", "count", "city", "smokes"],
        "data": [[0.5, 3, "Bonn", True], [1.5, 4, "Ulm", False]],
    }
}


def test_a_form_is_filled_with_the_first_row_of_the_example() -> None:
    fields = examples.form_fields(SIGNATURE, EXAMPLE)
    assert [field.value for field in fields] == ["0.5", "3", "Bonn", "true"]


def test_a_form_gives_back_the_row_it_was_filled_with() -> None:
    fields = examples.form_fields(SIGNATURE, EXAMPLE)
    body, filled = examples.parse_form(fields, {field.key: field.value for field in fields})
    assert body["dataframe_split"]["data"] == [[0.5, 3, "Bonn", True]]
    assert not any(field.error for field in filled)


def test_what_cannot_be_read_is_told_at_its_field() -> None:
    fields = examples.form_fields(SIGNATURE, None)
    posted = {"column-0": "abc", "column-1": "1.5", "column-2": "", "column-3": "true"}
    _body, filled = examples.parse_form(fields, posted)
    assert [bool(field.error) for field in filled] == [True, True, False, False]
    assert [field.value for field in filled][:2] == ["abc", "1.5"]


def test_infinity_is_no_number_for_a_body() -> None:
    fields = examples.form_fields(SIGNATURE, None)
    assert examples.parse_form(fields, {"column-0": "inf"})[1][0].error


def test_a_tensor_signature_has_no_form() -> None:
    tensor = {"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]}
    assert examples.form_fields(tensor, {"inputs": [[1.0]]}) == []


def test_records_and_named_inputs_fill_a_form_as_well() -> None:
    records = {"dataframe_records": [{"age": 1.0}]}
    named = {"inputs": {"age": [2.0, 3.0]}}
    assert examples.first_row(records) == {"age": 1.0}
    assert examples.first_row(named) == {"age": 2.0}


def test_one_row_keeps_the_shape_of_the_body() -> None:
    assert examples.one_row(EXAMPLE)["dataframe_split"]["data"] == [[0.5, 3, "Bonn", True]]
    assert examples.one_row({"inputs": [[1], [2]]}) == {"inputs": [[1]]}
    assert examples.one_row({"inputs": {"a": [1, 2]}}) == {"inputs": {"a": [1]}}
    assert examples.one_row(None)


def test_a_missing_value_is_null_in_the_body() -> None:
    assert examples.one_row({"inputs": [[float("nan")]]}) == {"inputs": [[None]]}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=15,
    ),
    st.booleans(),
)
def test_pretty_json_is_the_same_json(value, ascii_only) -> None:
    text = pretty(value, ascii_only=ascii_only)
    assert json.loads(text) == value
    assert not ascii_only or text.isascii()
