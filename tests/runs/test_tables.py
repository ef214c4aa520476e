"""Tables a page at a time: CSV, TSV, Parquet and what mlflow.log_table writes."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.runs.previews import tables
from studio.runs.previews.tables import (
    MOST_COLUMNS,
    PAGE_ROWS,
    NotATable,
    csv_page,
    is_table,
    json_page,
    parquet_page,
)


def chunks(data: bytes, size: int = 5) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


cells = st.text('ab,"\n é\u2028\x0c', max_size=6)


@settings(deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=12
        )
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 9),
)
def test_a_csv_reads_back_as_it_was_written(rows: list[list[str]], end: str, size: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows(rows)
    page = csv_page(chunks(out.getvalue().encode(), size), ",", 0)
    assert [page.header, *page.rows] == [tuple(row) for row in rows]
    assert (page.total, page.more) == (len(rows) - 1, False)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_are_a_table_or_not(data: bytes, start: int) -> None:
    for read in (
        lambda: csv_page(chunks(data), ",", start),
        lambda: parquet_page(chunks(data), len(data), start),
    ):
        with contextlib.suppress(NotATable):
            assert len(read().rows) <= PAGE_ROWS


def test_pages_of_a_csv_follow_each_other() -> None:
    data = b"n,text\n" + b"".join(b"%d,x\n" % n for n in range(250))
    first = csv_page(chunks(data, 1000), ",", 0)
    assert (first.text, first.previous, first.next) == ("1–100", None, 100)
    last = csv_page(chunks(data, 1000), ",", 200)
    assert (last.text, last.previous, last.next) == ("201–250 of 250", 100, None)
    assert last.rows[-1] == ("249", "x")
    beyond = csv_page(chunks(data, 1000), ",", 900)
    assert (beyond.rows, beyond.text, beyond.previous) == ((), "", 800)


def test_a_table_is_read_no_further_than_its_page() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"1,2\n" * 1000

    assert csv_page(endless(), ",", 2_000).more
    assert taken < 100


def test_a_page_too_far_away_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CSV_BYTES", 200_000)
    page = csv_page(iter([b"1,2\n" * 1000] * 1000), ",", 10_000_000)
    assert page.rows == ()
    assert "not shown" in page.sentence


def test_a_line_without_an_end_is_no_table() -> None:
    with pytest.raises(NotATable):
        csv_page(iter([b"x" * 500_000] * 10), ",", 0)


def test_wide_tables_and_long_cells_are_cut() -> None:
    data = ",".join(f"c{n}" for n in range(80)) + "\n" + ",".join(["y" * 900] * 80) + "\n"
    page = csv_page(chunks(data.encode(), 1000), ",", 0)
    assert len(page.header) == len(page.rows[0]) == MOST_COLUMNS
    assert "80" in page.sentence
    assert len(page.rows[0][0]) == tables.CELL_CHARACTERS + 1


def parquet(columns: dict[str, list[object]], group: int = 64) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, row_group_size=group)
    return out.getvalue()


@pytest.mark.parametrize("start", [0, 30, 100, 130, 249, 300])
def test_rows_of_parquet_come_from_their_row_groups(start: int) -> None:
    data = parquet({"n": list(range(250)), "t": [f"<{n}>" for n in range(250)]})
    page = parquet_page(chunks(data, 1000), len(data), start)
    expected = range(start, min(start + PAGE_ROWS, 250))
    assert page.rows == tuple((str(n), f"<{n}>") for n in expected)
    assert page.total == 250
    assert page.more == (start + PAGE_ROWS < 250)


def test_odd_values_of_parquet_are_shown() -> None:
    import datetime

    values = [None, math.nan, math.inf, -math.inf, 0.1]
    data = parquet(
        {
            "f": values,
            "d": [datetime.date(2024, 1, n + 1) for n in range(5)],
            "l": [[1, 2], [], None, [3], []],
            "b": [b"\xff", b"", None, b"a", b""],
        }
    )
    rows = parquet_page(chunks(data, 1000), len(data), 0).rows
    assert [row[0] for row in rows] == ["", "NaN", "Infinity", "-Infinity", "0.1"]
    assert rows[0][1:] == ("2024-01-01", "[1, 2]", "ff")


def test_a_parquet_file_that_is_too_large_is_not_read() -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    with pytest.raises(NotATable, match="200 MB"):
        parquet_page(never(), 10**10, 0)


def test_tables_of_mlflow_are_paged() -> None:
    value = {"columns": ["a", 2], "data": [[n, {"x": n}] for n in range(150)]}
    assert is_table(json.loads(json.dumps(value)))
    page = json_page(value, 100)
    assert page.header == ("a", "2")
    assert page.rows[0] == ("100", '{"x": 100}')
    assert (page.text, page.more) == ("101–150 of 150", False)


@pytest.mark.parametrize(
    "value", [[], {}, {"columns": [], "data": {}}, {"columns": ["a"], "data": [1]}, None]
)
def test_other_json_is_no_table(value: object) -> None:
    assert not is_table(value)
