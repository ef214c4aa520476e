"""All runs of a view as CSV or Parquet, a piece of them in memory at a time, and as a snippet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from studio.experiments.columns import Column, cell, only_of, order_parse
from studio.experiments.selectors import ListQuery
from studio.spreadsheets import cell_safe
from workspaces.tracking.run_lists import ASCENDING, DESCENDING, runs_in_pieces
from workspaces.tracking.values import Run

RUNS_AT_ONCE = 500
FIXED = (Column("attribute", "id"), Column("attribute", "name"))
BY_DURATION = {"duration": ASCENDING, "-duration": DESCENDING}
MOMENTS = ("start", "ended")
FRAME = {  # attributes in the table that mlflow.search_runs answers
    "id": "run_id",
    "name": "tags.mlflow.runName",
    "status": "status",
    "start": "start_time",
    "ended": "end_time",
    "user": "tags.mlflow.user",
    "source": "tags.mlflow.source.name",
    "commit": "tags.mlflow.source.git.commit",
    "notes": "tags.mlflow.note.content",
}


def export_columns(chosen: Sequence[Column]) -> tuple[Column, ...]:
    """The id and the name, then what is shown."""
    return (*FIXED, *(column for column in chosen if column not in FIXED))


Pieces = Iterator[Sequence[Run]]


def runs_of(experiment_id: str, query: ListQuery, columns: Sequence[Column]) -> Pieces:
    """All runs of a view, children as well, piece after piece.

    The first piece is read at once: a wrong filter is told before anything is sent.
    Raises: Invalid, Unavailable.
    """
    found = runs_in_pieces(
        experiment_id=experiment_id,
        filter=query.filter,
        order_by=BY_DURATION.get(query.sort) or order_parse(query.sort),
        view=query.view,
        only=only_of(columns),
        size=RUNS_AT_ONCE,
    )
    first = next(found, ())
    return chain([first], found)


def csv_chunks(pieces: Pieces, columns: Sequence[Column]) -> Iterator[bytes]:
    """CSV in UTF-8 with a line of heads; values are exact, moments are ISO 8601 in UTC.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([cell_safe(column.name) for column in columns])
    for runs in pieces:
        writer.writerows([_plain(cell(run, column)) for column in columns] for run in runs)
        yield text.getvalue().encode("utf-8", "replace")
        text.seek(0)
        text.truncate()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, timedelta):
        return value.total_seconds()
    return repr(value) if isinstance(value, float) else cell_safe(value)


class _Sent(io.RawIOBase):
    """A file that only grows; what was written is taken away by `take`."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def parquet_chunks(pieces: Pieces, columns: Sequence[Column]) -> Iterator[bytes]:
    """Parquet, one row group per page: metrics are doubles, moments timestamps, the rest text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(column.name, _arrow_type(pa, column)) for column in columns])
    sent = _Sent()
    with pq.ParquetWriter(pa.PythonFile(sent, mode="w"), schema, compression="zstd") as writer:
        for runs in pieces:
            arrays = [
                pa.array([_arrow_value(cell(run, column)) for run in runs], field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield sent.take()
    yield sent.take()


def _arrow_type(pa: Any, column: Column) -> Any:
    if column.is_number:
        return pa.float64()
    moment = column.kind == "attribute" and column.key in MOMENTS
    return pa.timestamp("ms", tz="UTC") if moment else pa.string()


def _arrow_value(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


Chunks = Callable[[Pieces, Sequence[Column]], Iterator[bytes]]
FORMATS: dict[str, tuple[str, Chunks]] = {
    "csv": ("text/csv; charset=utf-8", csv_chunks),
    "parquet": ("application/vnd.apache.parquet", parquet_chunks),
}


def snippet(experiment_id: str, query: ListQuery, columns: Sequence[Column], uri: str) -> str:
    """Python that makes the same list as a data frame, with any MLflow client."""
    shown = [name for column in export_columns(columns) if (name := _frame_name(column))]
    lines = [
        "import os",
        "",
        "import mlflow",
        "",
        'os.environ["MLFLOW_TRACKING_TOKEN"] = "…"  # a token of yours',
        f"mlflow.set_tracking_uri({uri!r})",
        "runs = mlflow.search_runs(",
        f"    experiment_ids={[experiment_id]!r},",
    ]
    if query.filter:
        lines.append(f"    filter_string={query.filter!r},")
    if query.archived:
        lines.append("    run_view_type=mlflow.entities.ViewType.DELETED_ONLY,")
    lines += [
        f"    order_by={order_parse(query.sort)!r},",
        f"    max_results={query.size},  # leave it out for all runs",
        ")",
        "runs = runs.reindex(",
        "    columns=[",
        *(f"        {name!r}," for name in shown),
        "    ]",
        ")",
    ]
    return "\n".join(lines)


def _frame_name(column: Column) -> str:
    if column.kind == "attribute":
        return FRAME.get(column.key, "")
    return f"{column.kind}.{column.key}"


def export_name(name: str, kind: str) -> str:
    """A file name of the experiment's name: what no system takes is left out."""
    clean = "".join(char if char.isalnum() or char in "-_. " else "-" for char in name)[:80]
    return f"{clean.strip('. ') or 'runs'}.{kind}"
