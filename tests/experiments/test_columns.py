"""The pure parts: columns and paging of the query string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.experiments.columns import ATTRIBUTES, column_parse, columns_parse, order_parse
from studio.experiments.selectors import offset_of, token_of


@given(st.lists(st.text(max_size=30), max_size=80))
def test_any_names_of_columns_can_be_parsed(names: list[str]) -> None:
    columns = columns_parse(names)
    assert len({column.name for column in columns}) == len(columns) <= 60
    assert all(column_parse(column.name) == column for column in columns)


@given(st.text(max_size=40))
def test_any_sort_gives_an_order_that_mlflow_can_read(text: str) -> None:
    from mlflow.utils.search_utils import SearchUtils

    for prefix in ("", "-", "metrics.", "-params.", "tags."):
        (order,) = order_parse(prefix + text)
        SearchUtils.parse_order_by_for_search_runs(order)


@pytest.mark.parametrize("name", [key for key in ATTRIBUTES if ATTRIBUTES[key][1]])
def test_attributes_sort_by_what_mlflow_knows(name: str) -> None:
    from mlflow.utils.search_utils import SearchUtils

    assert order_parse(f"-{name}")[0].endswith(" DESC")
    SearchUtils.parse_order_by_for_search_runs(order_parse(name)[0])


@given(st.integers(0, 10**9))
def test_offsets_survive_their_token(offset: int) -> None:
    assert offset_of(token_of(offset)) == offset


@given(st.text(max_size=60))
def test_any_token_is_an_offset_or_none(token: str) -> None:
    assert (offset_of(token) or 0) >= 0
