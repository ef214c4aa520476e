"""Tables a page at a time: CSV streamed, Parquet by its row groups, MLflow's JSON tables."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

PAGE_ROWS = 100
MOST_COLUMNS = 50
CELL_CHARACTERS = 500
CSV_BYTES = 200_000_000  # read at most, to reach a page
CSV_LINE = 1_000_000  # characters
PARQUET_BYTES = 200_000_000  # of the file
GROUP_BYTES = 1_000_000_000  # of one row group, unpacked, as its file says
CHUNK = 65_536


def _grouped(count: int) -> str:
    return number_format(count, force_grouping=True)


class NotATable(Exception):
    """The file cannot be read as one. The message says why, for people."""


@dataclass(frozen=True)
class TablePage:
    """Rows of a table from `start` on. `total` is None where it is not known."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    start: int
    more: bool
    total: int | None = None
    columns: int = 0
    sentence: str = ""

    @property
    def text(self) -> str:
        """ "1–100 of 2,300", for the foot of the list."""
        if not self.rows:
            return ""
        words = {
            "first": _grouped(self.start + 1),
            "last": _grouped(self.start + len(self.rows)),
            "total": _grouped(self.total or 0),
        }
        if self.total is None:
            return _("%(first)s–%(last)s") % words
        return _("%(first)s–%(last)s of %(total)s") % words

    @property
    def previous(self) -> int | None:
        return max(self.start - PAGE_ROWS, 0) if self.start else None

    @property
    def next(self) -> int | None:
        return self.start + PAGE_ROWS if self.more else None


def csv_page(chunks: Iterable[bytes], delimiter: str, start: int) -> TablePage:
    """Rows of a CSV file, read from its beginning with flat memory.

    Raises: NotATable.
    """
    reader = csv.reader(_lines(chunks), delimiter=delimiter)
    header: list[str] | None = None
    rows: list[list[str]] = []
    more = False
    try:
        header = next(reader, None)
        for number, row in enumerate(reader):
            if number >= start + PAGE_ROWS:
                more = True
                break
            if number >= start:
                rows.append(row)
    except _TooMuch:
        sentence = _("Rows beyond the first %(size)s MB are not shown. Download the file.")
        sentence %= {"size": CSV_BYTES // 1_000_000}
        return _page(header or [], rows, start, False, None, sentence)
    except csv.Error as error:
        raise NotATable(_("This is not a valid table; it is shown as text.")) from error
    if header is None:
        raise NotATable(_("The file is empty."))
    total = start + len(rows) if not more and (rows or not start) else None
    return _page(header, rows, start, more, total)


class _TooMuch(Exception):
    pass


class _Chunks(io.RawIOBase):
    """Chunks as a file, up to a number of bytes."""

    def __init__(self, chunks: Iterable[bytes], most: int) -> None:
        super().__init__()
        self._chunks, self._left, self._rest = iter(chunks), most, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        self._left -= size
        if self._left < 0:
            raise _TooMuch
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines with their ends, as csv.reader wants them; bounded in length and in all."""
    raw = io.BufferedReader(_Chunks(chunks, CSV_BYTES), CHUNK)
    with io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as text:
        while line := text.readline(CSV_LINE):
            if len(line) >= CSV_LINE:
                raise csv.Error("a line is too long")
            yield line


def json_page(value: dict[str, Any], start: int) -> TablePage:
    """Rows of what mlflow.log_table writes; see `is_table`."""
    data = value["data"]
    header = [str(name) for name in value["columns"]]
    rows = data[start : start + PAGE_ROWS]
    return _page(header, rows, start, len(data) > start + PAGE_ROWS, len(data))


def is_table(value: Any) -> bool:
    """Whether it is what mlflow.log_table writes."""
    return (
        isinstance(value, dict)
        and set(value) == {"columns", "data"}
        and isinstance(value["columns"], list)
        and isinstance(value["data"], list)
        and all(isinstance(row, list) for row in value["data"])
    )


def parquet_page(chunks: Iterable[bytes], size: int | None, start: int) -> TablePage:
    """Rows of a Parquet file; only the row groups that hold them are unpacked.

    Raises: NotATable.
    """
    if size is not None and size > PARQUET_BYTES:
        raise NotATable(_too_large())
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as file:
        _spool(chunks, file)
        try:
            with pq.ParquetFile(file, pre_buffer=False) as table:
                return _parquet_rows(table, start)
        except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
            raise NotATable(_("This is not a Parquet file that can be read.")) from error


def _spool(chunks: Iterable[bytes], file: IO[bytes]) -> None:
    """Parquet is read from its end: the file comes to the disk, unseen, while it is read."""
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > PARQUET_BYTES:
            raise NotATable(_too_large())
        file.write(chunk)
    file.seek(0)


def _too_large() -> str:
    return _("Tables up to %(size)s MB are shown. Download the file.") % {
        "size": PARQUET_BYTES // 1_000_000
    }


def _parquet_rows(table: Any, start: int) -> TablePage:
    names = list(table.schema_arrow.names)
    shown = names[:MOST_COLUMNS]
    rows: list[list[Any]] = []
    before, total = 0, table.metadata.num_rows
    for number in range(table.num_row_groups):
        group = table.metadata.row_group(number)
        after = before + group.num_rows
        if after > start and len(rows) < PAGE_ROWS:
            if group.total_byte_size > GROUP_BYTES:
                raise NotATable(_too_large())
            skip = max(start - before, 0)
            rows += _group_rows(table, number, shown, skip, PAGE_ROWS - len(rows))
        before = after
    return _page(names, rows, start, start + len(rows) < total and bool(rows), total)


def _group_rows(
    table: Any, number: int, names: Sequence[str], skip: int, most: int
) -> list[list[Any]]:
    rows: list[list[Any]] = []
    batches = table.iter_batches(
        batch_size=1_000, row_groups=[number], columns=list(names), use_threads=False
    )
    for batch in batches:
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        part = batch.slice(skip, most - len(rows))
        skip = 0
        columns = [part.column(place).to_pylist() for place in range(part.num_columns)]
        rows += [list(row) for row in zip(*columns, strict=True)]
        if len(rows) >= most:
            break
    return rows


def _page(
    header: Sequence[str],
    data: Sequence[Sequence[Any]],
    start: int,
    more: bool,
    total: int | None,
    sentence: str = "",
) -> TablePage:
    wide = max([len(header), *(len(row) for row in data)])
    if wide > MOST_COLUMNS:
        words = {"n": MOST_COLUMNS, "all": number_format(wide)}
        columns = _("The first %(n)s of %(all)s columns are shown.") % words
        sentence = f"{sentence} {columns}".strip()
    rows = tuple(tuple(cell(value) for value in row[:MOST_COLUMNS]) for row in data)
    return TablePage(tuple(header[:MOST_COLUMNS]), rows, start, more, total, len(header), sentence)


def cell(value: Any) -> str:
    """A value as a short text; nothing for a missing one."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value[:CELL_CHARACTERS].hex()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool | int | float | list | dict):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)  # times, decimals
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"
