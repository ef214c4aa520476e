"""The filter of runs: pills and text say the same, to us and to MLflow; a mistake is pointed at."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchUtils

from studio.experiments.filters import (
    ATTRIBUTES,
    COMPARED,
    MATCHED,
    NULLS,
    NUMBERS,
    clause_text,
    clauses_of,
    fault_of,
    operators,
    tokens_of,
)
from studio.experiments.pills import filter_with, pills_of
from workspaces.errors import Invalid

KEY = st.text(st.sampled_from("abcXYZ019_-. :/é日"), min_size=1, max_size=20)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12)
metric = st.tuples(st.just("metrics"), KEY, st.sampled_from(COMPARED), NUMBER.map(str))
worded = st.tuples(
    st.sampled_from(["params", "tags"]), KEY, st.sampled_from([*MATCHED, *NULLS]), TEXT
)
timed = st.tuples(
    st.just("attributes"),
    st.sampled_from(NUMBERS[:2]),
    st.sampled_from(COMPARED),
    st.integers(0, 10**13).map(str),
)
named = st.tuples(
    st.just("attributes"),
    st.sampled_from([key for key in ATTRIBUTES if key not in NUMBERS]),
    st.sampled_from(MATCHED),
    TEXT,
)
clause = st.one_of(metric, worded, timed, named)


def written(parts: tuple[str, str, str, str]) -> str:
    try:
        return clause_text(*parts)
    except ValueError:
        assume(False)
        raise


@given(st.lists(clause, min_size=1, max_size=4))
def test_what_pills_write_reads_back_the_same_here_and_in_mlflow(rows: list) -> None:
    text = " AND ".join(written(row) for row in rows)
    ours = clauses_of(text)
    theirs = SearchUtils.parse_search_filter(text)
    assert ours is not None
    kinds = {"metric": "metrics", "parameter": "params", "tag": "tags", "attribute": "attributes"}
    for (kind, key, op, value), mine, other in zip(rows, ours, theirs, strict=True):
        assert (mine.kind, mine.key, mine.op) == (kind, key, op)
        assert (kinds[other["type"]], other["key"]) == (kind, key)
        assert other["comparator"].upper() == op
        if op in NULLS:
            continue
        if kind == "metrics" or key in NUMBERS:
            assert float(mine.value) == float(other["value"]) == float(value)
        else:
            assert mine.value == other["value"] == value


@given(st.lists(clause, min_size=1, max_size=4))
def test_taking_a_pill_away_leaves_the_others(rows: list) -> None:
    text = " AND ".join(written(row) for row in rows)
    pills = pills_of(text)
    assert len(pills) == len(rows)
    for at, pill in enumerate(pills):
        rest = clauses_of(pill.rest) or []
        kept = [row for number, row in enumerate(rows) if number != at]
        assert [(one.kind, one.key, one.op) for one in rest] == [row[:3] for row in kept]


@given(st.text(max_size=60))
def test_every_character_of_any_text_is_in_a_token_or_white(text: str) -> None:
    tokens = tokens_of(text)
    covered = "".join(text[token.start : token.end] for token in tokens)
    assert covered == "".join(token.text for token in tokens)
    gaps = text
    for token in reversed(tokens):
        gaps = gaps[: token.start] + gaps[token.end :]
    assert not gaps.strip()


WORDS = st.sampled_from((
    "metrics.a", "params.`b c`", "tags.x", "attributes.status", "status", "=", ">", "LIKE", "AND",
    "OR", "1", "-2.5", "'x'", '"y"', "(", ")", "IS", "NULL", "IN", "('a')", "metrcs.b", "'", "`",
    "run_id",
))  # fmt: skip


@given(st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=40))
def test_a_refused_filter_is_pointed_at_inside_of_it_or_right_behind(text: str) -> None:
    try:
        SearchUtils.parse_search_filter(text)
    except (MlflowException, StopIteration, ValueError) as error:
        fault = fault_of(text, str(error))
        if fault is not None:
            assert 0 <= fault.start < fault.end <= len(text) + 1
            assert fault.message


@given(st.lists(WORDS, max_size=8).map(" ".join))
def test_what_is_understood_here_is_understood_by_mlflow_in_the_same_way(text: str) -> None:
    ours = clauses_of(text)
    if ours:
        theirs = SearchUtils.parse_search_filter(text)
        assert [one.key for one in ours] == [one["key"] for one in theirs]


@pytest.mark.parametrize(
    ("text", "wrong", "says"),
    [
        ("metrcs.rmse < 1", "metrcs", "Did you mean “metrics”?"),
        ("metrics.rmse < 'x'", "'x'", "a number"),
        ("metrics.rmse <", " ", "a number"),
        ("metrics.rmse", " ", "comparison is missing"),
        ("params.model = Ridge", "Ridge", "'Ridge'"),
        ("params.model = 5", "5", "'5'"),
        ("metrics.a > 1 OR metrics.b > 2", "OR", "no OR"),
        ("metrics.a > 1 metrics.b > 2", "metrics.b", "AND"),
        ("metrics.a > 1 AND", " ", "missing after AND"),
        ("attributes.colour = 'x'", "colour", "no “colour”"),
        ("colour = 'x'", "colour", "no “colour”"),
        ("metrics.a LIKE 'x'", "LIKE", "> >="),
        ("params.a > 'x'", ">", "LIKE"),
        ("tags.`open = 'x'", "`open = 'x'", "not closed"),
        ("params.a = 'open", "'open", "not closed"),
        ("= 1", "=", "is expected"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, wrong: str, says: str) -> None:
    fault = fault_of(text, "")
    assert fault is not None
    assert (text + " ")[fault.start : fault.end].strip() in {wrong.strip(), wrong}
    assert says in fault.message


def test_the_word_that_mlflow_quotes_is_marked_when_nothing_is_found_here() -> None:
    fault = fault_of("metrics.a > 1", "Invalid clause(s) in filter string: 'metrics.a > 1'")
    assert fault is not None
    assert (fault.start, fault.end) == (0, 13)


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"kind": "metrics", "key": "a", "op": ">", "value": "much"}, "value"),
        ({"kind": "metrics", "key": "a", "op": ">", "value": "inf"}, "value"),
        ({"kind": "metrics", "key": "", "op": ">", "value": "1"}, "key"),
        ({"kind": "metrics", "key": "a`b", "op": ">", "value": "1"}, "key"),
        ({"kind": "metrics", "key": "a", "op": "LIKE", "value": "1"}, "op"),
        ({"kind": "nonsense", "key": "a", "op": "=", "value": "1"}, "op"),
        ({"kind": "attributes", "key": "start_time", "op": ">", "value": "soon"}, "value"),
        ({"kind": "params", "key": "a", "op": "=", "value": "'\""}, "value"),
    ],
)
def test_a_condition_that_mlflow_cannot_be_asked_is_refused(parts: dict, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        filter_with("", parts)
    assert field in caught.value.fields


def test_a_date_is_written_as_mlflow_counts_and_shown_as_a_date() -> None:
    parts = {"kind": "attributes", "key": "start_time", "op": ">=", "value": "2026-01-31 18:00"}
    text = filter_with("metrics.a > 1", parts)
    assert text.startswith("metrics.a > 1 AND attributes.start_time >= 17")
    assert pills_of(text)[1].value == ">= 2026-01-31 18:00:00"


def test_operators_are_those_that_mlflow_takes() -> None:
    assert set(operators("metrics", "x")) == SearchUtils.VALID_METRIC_COMPARATORS
    assert set(operators("params", "x")) == SearchUtils.VALID_PARAM_COMPARATORS
    assert set(operators("tags", "x")) == SearchUtils.VALID_TAG_COMPARATORS
    assert set(operators("datasets", "name")) == SearchUtils.VALID_DATASET_COMPARATORS
    for key in ATTRIBUTES:
        assert key in SearchUtils.VALID_SEARCH_ATTRIBUTE_KEYS
