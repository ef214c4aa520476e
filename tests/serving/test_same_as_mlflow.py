"""The loaders answer what MLflow's own scoring server answers, whatever the signature and input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.mlflow_server import MlflowServer, ask, loaded, same, save_echo

SOME = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(SOME, max_examples=1000)

NAMES = ["a", "b", "ä c", "d"]
TYPES = ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"]
INTEGERS = st.integers(-5, 5) | st.sampled_from(
    [2**31 - 1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 2**70]
)
FLOATS = st.sampled_from([0.5, -1.5, 3.0, 0.1, 1e-7, 1e16, 1e300, 3.4e38, 3.5e38]) | st.floats(
    allow_nan=False, allow_infinity=False
)
DATES = st.sampled_from(
    ["2020-01-31", "2021-06-15T12:30:00", "2022-12-01 01:02:03.000004", "1600-01-01", "nonsense"]
)
TEXTS = st.sampled_from(["", "x", "ü€😀", "1.5", "7", "null", "true", "YWJj", "a b"])
FITTING = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": FLOATS | st.integers(-3, 3),
    "double": FLOATS | INTEGERS,
    "string": TEXTS,
    "binary": st.sampled_from(["", "YWJj", "4pyT"]),
    "datetime": DATES,
}
ANYTHING = (
    st.none()
    | st.booleans()
    | INTEGERS
    | FLOATS
    | TEXTS
    | DATES
    | st.lists(st.integers(0, 2) | st.none(), max_size=3)
    | st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), max_size=2)
)


@st.composite
def column_signatures(draw: Any) -> list[dict[str, Any]]:
    """Columns of all types, some optional; now and then without names."""
    kinds = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4))
    if draw(st.integers(0, 5)) == 0:
        return [{"type": kind, "required": True} for kind in kinds]
    names = draw(st.permutations(NAMES))
    return [
        {"type": kind, "name": name, "required": draw(st.integers(0, 4)) > 0}
        for kind, name in zip(kinds, names, strict=False)
    ]


@st.composite
def number_signatures(draw: Any) -> list[dict[str, Any]]:
    """Required columns of numbers: the quick path."""
    kinds = draw(st.lists(st.sampled_from(TYPES[1:5]), min_size=1, max_size=4))
    return [
        {"type": kind, "name": name, "required": True}
        for kind, name in zip(kinds, NAMES, strict=False)
    ]


SHAPES = [(-1,), (-1, 1), (-1, 2), (-1, 2, 2), (-1, -1), (2, 2)]


@st.composite
def tensor_signatures(draw: Any) -> list[dict[str, Any]]:
    """One tensor without a name, or some with names."""
    named = draw(st.booleans())
    count = draw(st.integers(1, 2)) if named else 1
    dtypes = st.sampled_from(["float64", "float32", "int64", "int32", "bool", "str"])
    specs = []
    for name in NAMES[:count]:
        info = {"dtype": draw(dtypes), "shape": list(draw(st.sampled_from(SHAPES)))}
        spec: dict[str, Any] = {"type": "tensor", "tensor-spec": info}
        specs.append({"name": name, **spec} if named else spec)
    return specs


@st.composite
def rows_for(draw: Any, inputs: list[dict[str, Any]], wrong: int) -> list[list[Any]]:
    """Rows whose cells fit, but for one in `wrong` or so."""
    return [
        [
            draw(ANYTHING if draw(st.integers(0, wrong)) == 0 else FITTING[spec["type"]])
            for spec in inputs
        ]
        for _ in range(draw(st.integers(0, 3)))
    ]


@st.composite
def documents(draw: Any, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """A payload of one of MLflow's forms; names may be missing, added, in another order."""
    rows = draw(rows_for(inputs, draw(st.sampled_from([3, 20, 1000]))))
    names = [spec.get("name", place) for place, spec in enumerate(inputs)]
    order = draw(st.permutations(range(len(names)))) if draw(st.booleans()) else range(len(names))
    if draw(st.integers(0, 7)) == 0:
        order = list(order)[1:]
    extra = draw(st.integers(0, 7)) == 0
    names = [names[place] for place in order] + ["extra"] * extra
    rows = [[row[place] for place in order] + [1.5] * extra for row in rows]
    form = draw(st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs"]))
    if form == "dataframe_split":
        split: dict[str, Any] = {"columns": names, "data": rows}
        if draw(st.integers(0, 5)) == 0:
            split["index"] = list(range(5, 5 + len(rows)))
        if draw(st.integers(0, 9)) == 0:
            del split["columns"]
        return {form: split}
    named = [{str(n): c for n, c in zip(names, row, strict=True)} for row in rows]
    if form != "inputs":
        return {form: named}
    shape = draw(st.sampled_from(["columns", "records", "rows"]))
    if shape == "columns":
        return {form: {str(n): [row[k] for row in rows] for k, n in enumerate(names)}}
    return {form: named if shape == "records" else rows}


def nested(shape: tuple[int, ...], leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    for side in reversed(shape):
        size = {"min_size": 0, "max_size": 3} if side < 0 else {"min_size": side, "max_size": side}
        leaf = st.lists(leaf, **size)
    return leaf


LEAVES = {
    "float64": FLOATS | INTEGERS,
    "float32": FLOATS | st.integers(-3, 3),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "str": TEXTS,
}


@st.composite
def tensor_documents(draw: Any, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    values = []
    for spec in inputs:
        info = spec["tensor-spec"]
        wrong = draw(st.integers(0, 5)) == 0
        shape = draw(st.sampled_from(SHAPES)) if wrong else tuple(info["shape"])
        leaf = ANYTHING if draw(st.integers(0, 9)) == 0 else LEAVES[info["dtype"]]
        values.append(draw(nested(shape, leaf)))
    form = draw(st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records"]))
    named = "name" in inputs[0]
    names = [spec.get("name", "x") for spec in inputs]
    if form == "dataframe_split":
        rows = [list(row) for row in zip(*values, strict=False)]
        return {form: {"columns": names, "data": rows}}
    if form == "dataframe_records" or (form == "instances" and named and draw(st.booleans())):
        return {form: [dict(zip(names, row, strict=True)) for row in zip(*values, strict=False)]}
    return {form: dict(zip(names, values, strict=True)) if named else values[0]}


def assert_same(
    found: tuple[bool, Any],
    expected: tuple[bool | None, Any],
    ulps: int = 0,
    **alike: Any,
) -> None:
    """Both scored, to equal values (see `same`), or both refused."""
    if expected[0] is None:
        return
    assert found[0] == expected[0], (found, expected)
    if found[0]:
        assert same(found[1], expected[1], ulps, **alike), (found[1], expected[1])


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., None]:
    """Compare the loaders with MLflow on an echoing model: what the model gets is the same."""

    def check(inputs: list[dict[str, Any]], document: dict[str, Any], loader: str) -> None:
        folder = save_echo(tmp_path / "echo", inputs)
        body = json.dumps(document).encode()
        expected = MlflowServer(folder).answer(body)
        (found,) = ask(loaded(folder, loader), body)
        assert_same(found, expected)

    return check


def scenarios(signatures: Any, inputs_of: Any) -> Any:
    return signatures.flatmap(lambda inputs: st.tuples(st.just(inputs), inputs_of(inputs)))


COLUMNS = scenarios(column_signatures(), documents)
NUMBERS = scenarios(number_signatures(), documents)
TENSORS = scenarios(tensor_signatures(), tensor_documents)


@pytest.mark.parametrize("loader", ["fast", "plain"])
@pytest.mark.parametrize("case", ["columns", "numbers", "tensors"])
@SOME
@given(data=st.data())
def test_a_model_gets_what_mlflow_would_give_it(
    compare: Callable[..., None], loader: str, case: str, data: Any
) -> None:
    drawn = {"columns": COLUMNS, "numbers": NUMBERS, "tensors": TENSORS}[case]
    inputs, document = data.draw(drawn)
    compare(inputs, document, loader)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("loader", ["fast", "plain"])
@pytest.mark.parametrize("case", ["columns", "numbers", "tensors"])
@MANY
@given(data=st.data())
def test_a_model_gets_what_mlflow_would_give_it_for_long(
    compare: Callable[..., None], loader: str, case: str, data: Any
) -> None:
    drawn = {"columns": COLUMNS, "numbers": NUMBERS, "tensors": TENSORS}[case]
    inputs, document = data.draw(drawn)
    compare(inputs, document, loader)
