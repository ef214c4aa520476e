"""The pure parts: columns of the query string, downsampling, previews."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.experiments.charts import MOST_DRAWN, downsample, metric_chart
from studio.experiments.columns import ATTRIBUTES, column_parse, columns_parse, order_parse
from studio.experiments.previews import JSON_BYTES, TABLE_ROWS, TEXT_BYTES, preview_make
from studio.experiments.selectors import offset_of, token_of
from workspaces.tracking_values import History, Point

values = st.one_of(st.floats(), st.just(math.nan), st.integers(-5, 5).map(float))


@given(st.lists(values, max_size=400), st.integers(3, 60))
def test_downsampling_keeps_ends_and_extremes(numbers: list[float], most: int) -> None:
    points = [Point(step, step, value) for step, value in enumerate(numbers)]
    kept = downsample(points, most)
    assert len(kept) <= max(most, 5)
    assert kept == sorted(kept, key=lambda point: point.step)
    assert {id(p) for p in kept} <= {id(p) for p in points}
    finite = [v for v in numbers if math.isfinite(v)]
    if numbers:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
    if finite:
        drawn = [p.value for p in kept if math.isfinite(p.value)]
        assert (min(drawn), max(drawn)) == (min(finite), max(finite))


def test_a_long_history_is_drawn_with_few_points_and_its_gaps() -> None:
    points = tuple(Point(i, i, math.nan if i == 5_000 else 1.0) for i in range(10_000))
    chart = metric_chart(History("loss<b>", points, True))
    assert (chart.points, chart.undrawable) == (10_000, 1)
    assert chart.drawn <= MOST_DRAWN
    line = chart.figure["data"][0]
    assert line["y"].count(None) == 1
    json.dumps(chart.figure, allow_nan=False)
    assert "<b>" not in line["name"]


def test_an_axis_of_time_is_in_order_of_time() -> None:
    history = History("m", (Point(1, 2_000, 1.0), Point(2, 1_000, 2.0)), True)
    assert metric_chart(history, "time").figure["data"][0]["y"] == [2.0, 1.0]
    assert metric_chart(history, "step").figure["data"][0]["y"] == [1.0, 2.0]


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


@given(st.binary(max_size=300), st.sampled_from(["csv", "tsv", "json", "txt", "bin", "md", ""]))
def test_any_bytes_have_a_preview(data: bytes, extension: str) -> None:
    preview = preview_make(f"f.{extension}", len(data), lambda limit: data[:limit])
    assert preview.kind in {"text", "json", "table", "none"}


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("a.png", b"\x89PNG", "image"),
        ("a.SVG", b"<svg/>", "image"),
        ("a.html", b"<p>", "page"),
        ("a.json", b'{"a": 1}', "json"),
        ("a.json", b"{", "text"),
        ("t.json", b'{"columns": ["a"], "data": [[1]]}', "table"),
        ("a.csv", b"a,b\n1,2\n", "table"),
        ("MLmodel", b"flavors: {}", "text"),
        ("readme.md", b"# <b>", "text"),
        ("m.pkl", b"\x80\x00\x01", "none"),
        ("empty.txt", b"", "none"),
    ],
)
def test_a_file_is_shown_by_its_kind(path: str, data: bytes, kind: str) -> None:
    assert preview_make(path, len(data), lambda limit: data[:limit]).kind == kind


def test_what_is_large_is_cut_and_said_so() -> None:
    text = preview_make("a.txt", 5 * TEXT_BYTES, lambda limit: b"x" * limit)
    assert len(text.text) == TEXT_BYTES
    assert "first" in text.sentence
    table = preview_make("a.csv", None, lambda limit: b"a,b\n" + b"1,2\n" * 5_000)
    assert len(table.rows) == TABLE_ROWS
    assert table.sentence
    assert preview_make("a.json", 9 * JSON_BYTES, lambda limit: b"1" * limit).kind == "text"
    huge = preview_make("a.png", 10**9, lambda limit: b"")
    assert huge.kind == "none"
    assert "Download" in huge.sentence
