"""Histories of metrics from the built-in store's database; see `history.reading`.

MLflow's index over (run_uuid, key, step) finds the rows. They are ordered here when they are not
yet: the database would sort a million rows, or walk an index row by row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from workspaces.errors import NotFound
from workspaces.tracking.history.series import ROW, Axis, Series, Tail, series_of, thinned
from workspaces.tracking.store.database import (
    cursor_of,
    is_sqlite,
    pieces,
    reading,
    values_of,
)
from workspaces.tracking.values import Point, measured

COLUMNS = "step, timestamp, value, is_nan"
PACKED = np.dtype([("step", ">i8"), ("time", ">i8"), ("value", ">f8"), ("nan", "?")])
PIECE = 100_000  # rows that become an array at once
THIN = 16  # how many rows become three where there are too many
OVERLAP_MS = 60_000  # how late a point may arrive in a store that keeps no order of arrival
MOST_AGAIN = 20_000  # rows of that time; with more, everything is read again
FAR = 2**62  # beyond any step and time; infinities are no integers


def history_read(
    run_id: str, key: str, axis: Axis, low: float | None, high: float | None, most: int
) -> Series:
    with reading(subject=_("This run")) as session:
        series = _series(session, run_id, key, axis, low, high, most)
        if not len(series):
            _run_is_known(session, run_id)
    return series


def histories_read(
    run_ids: Sequence[str], key: str, axis: Axis, low: float | None, high: float | None, most: int
) -> dict[str, Series]:
    with reading() as session:
        return {i: _series(session, i, key, axis, low, high, most) for i in run_ids}


def _run_is_known(session: Any, run_id: str) -> None:
    from mlflow.store.tracking.dbmodels.models import SqlRun

    if session.get(SqlRun, run_id) is None:
        raise NotFound(_("This run does not exist."))


def _series(
    session: Any,
    run_id: str,
    key: str,
    axis: Axis,
    low: float | None,
    high: float | None,
    most: int,
) -> Series:
    query, ends = series_query(axis, low, high, sqlite=is_sqlite(session))
    values = [run_id, key, *ends]
    if not is_sqlite(session):
        packed = _packed(session, query, values, most)
        if packed is not None:
            return series_of(packed, axis)
    with cursor_of(session, query, values) as cursor:
        rows, complete = _collected(cursor, most)
    return series_of(rows, axis, complete=complete)


def series_query(
    axis: Axis, low: float | None, high: float | None, *, sqlite: bool
) -> tuple[str, list[Any]]:
    """The query for the points of a run's metric; the run, the key and then these values are its
    parameters."""
    # "+" keeps SQLite from taking another index for the range than the one that finds the run
    column = "step" if axis == "step" else "+timestamp"
    where, ends = "run_uuid = ? AND key = ?", []
    for sign, end in ((">=", low), ("<=", high)):
        if end is not None:
            where += f" AND {column} {sign} ?"
            ends.append(_whole(end, sign))
    # Without statistics SQLite would rather read the key's rows of all runs, from the primary key;
    # of 100,000 runs that is 700 times as long. With this order it takes the index of the run.
    order = " ORDER BY step" if sqlite else ""
    return f"SELECT {COLUMNS} FROM metrics WHERE {where}{order}", ends  # noqa: S608 - our own words


def _whole(end: float, sign: str) -> Any:
    """The end of a range as an integer, as the columns are."""
    if end != end:
        return 0
    bounded = max(min(end, FAR), -FAR)
    return int(np.ceil(bounded) if sign == ">=" else np.floor(bounded))


def _packed(session: Any, query: str, values: Sequence[Any], most: int) -> NDArray[Any] | None:
    """PostgreSQL's rows as the bytes of one value, in 40 % of the time that rows take; None when
    there are more than `most`, which are read piece by piece."""
    columns = "int8send(step) || int8send(timestamp) || float8send(value) || boolsend(is_nan)"
    found = values_of(
        session,
        f"SELECT string_agg({columns}, ''::bytea) FROM ({query} LIMIT {most + 1}) AS points",  # noqa: S608
        values,
    )
    rows = np.frombuffer(found[0] or b"", PACKED)
    return rows.astype(ROW) if len(rows) <= most else None


def _collected(cursor: Any, most: int) -> tuple[NDArray[Any], bool]:
    """All rows, or what is left of them after thinning out as often as it takes."""
    parts: list[NDArray[Any]] = []
    factor, kept = 1, 0
    for piece in _arrays(cursor):
        part = piece if factor == 1 else thinned(piece, factor)
        parts.append(part)
        kept += len(part)
        if kept > most:
            factor *= THIN
            parts = [thinned(np.concatenate(parts), THIN)]
            kept = len(parts[0])
    return (np.concatenate(parts) if parts else np.zeros(0, ROW)), factor == 1


def _arrays(cursor: Any) -> Iterator[NDArray[Any]]:
    while True:
        piece = np.fromiter(itertools.islice(cursor, PIECE), ROW)
        if len(piece):
            yield piece
        if len(piece) < PIECE:
            return


def history_rows(run_id: str, key: str) -> Iterator[tuple[int, int, float]]:
    after: tuple[Any, ...] = ()
    while True:
        with reading(subject=_("This run")) as session:
            rows = _next_rows(session, run_id, key, after)
            if not rows and not after:
                _run_is_known(session, run_id)
        for step, at, value, is_nan in rows:
            yield step, at, float("nan") if is_nan else measured(value)
        if len(rows) < PIECE:
            return
        after = rows[-1]


def _next_rows(
    session: Any, run_id: str, key: str, after: tuple[Any, ...]
) -> list[tuple[int, int, float, bool]]:
    where, values = "run_uuid = ? AND key = ?", [run_id, key]
    if after:  # the first condition is what the index answers
        where += f" AND step >= ? AND ({COLUMNS}) > (?, ?, ?, ?)"
        values += [after[0], *after]
    query = f"SELECT {COLUMNS} FROM metrics WHERE {where} ORDER BY {COLUMNS} LIMIT {PIECE}"  # noqa: S608
    with cursor_of(session, query, values) as cursor:
        return list(cursor)


def history_since(run_id: str, key: str, mark: str, most: int) -> Tail:
    with reading(subject=_("This run")) as session:
        since = _since_row if is_sqlite(session) else _since_time
        tail = since(session, run_id, key, mark, most)
        if not len(tail.series):
            _run_is_known(session, run_id)
    return tail


def _since_row(session: Any, run_id: str, key: str, mark: str, most: int) -> Tail:
    """SQLite numbers rows as they come, and none comes before one that can be seen already."""
    with cursor_of(session, "SELECT max(rowid) FROM metrics", ()) as cursor:
        last = cursor.fetchone()[0] or 0
    known = _number(mark, "r")
    fresh = f"r{last}"
    if known is None or known > last:  # the rows were numbered anew (VACUUM)
        return Tail(_series(session, run_id, key, "step", None, None, most), fresh, whole=True)
    query = (
        f"SELECT {COLUMNS} FROM metrics NOT INDEXED "  # noqa: S608
        "WHERE rowid > ? AND rowid <= ? AND run_uuid = ? AND key = ?"
    )
    with cursor_of(session, query, [known, last, run_id, key]) as cursor:
        rows, complete = _collected(cursor, most)
    return Tail(series_of(rows, complete=complete), fresh)


def _since_time(session: Any, run_id: str, key: str, mark: str, most: int) -> Tail:
    """What was measured after, or a minute before, the newest point that is known."""
    known = _number(mark, "t")
    if known is not None:
        since = known - OVERLAP_MS
        query = (
            f"SELECT {COLUMNS} FROM metrics "  # noqa: S608
            "WHERE run_uuid = ? AND key = ? AND timestamp >= ? "
            # without an order PostgreSQL expects to find so many rows early in the whole table
            f"ORDER BY timestamp DESC LIMIT {MOST_AGAIN + 1}"
        )
        with cursor_of(session, query, [run_id, key, since]) as cursor:
            rows, _complete = _collected(cursor, most)
        if 0 < len(rows) <= MOST_AGAIN:
            return Tail(series_of(rows), _time_mark(rows["time"], known), since)
    series = _series(session, run_id, key, "step", None, None, most)
    return Tail(series, _time_mark(series.times_ms, 0), whole=True)


def _time_mark(times: NDArray[np.int64], known: int) -> str:
    return f"t{max(int(times.max()), known) if len(times) else known}"


def _number(mark: str, kind: str) -> int | None:
    digits = mark.removeprefix(kind)
    known = mark.startswith(kind) and digits.isascii() and digits.isdigit() and len(digits) < 19
    return int(digits) if known else None


def metrics_latest(
    run_ids: Sequence[str], keys: Sequence[str] | None
) -> dict[str, dict[str, Point]]:
    from workspaces.tracking.store.opening import stores

    stores()  # before any import of MLflow
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric as Latest
    from sqlalchemy import select

    columns = (Latest.run_uuid, Latest.key, Latest.step, Latest.timestamp)
    found: dict[str, dict[str, Point]] = {}
    with reading() as session:
        for ids in pieces(run_ids):
            query = select(*columns, Latest.value, Latest.is_nan).where(Latest.run_uuid.in_(ids))
            if keys is not None:
                query = query.where(Latest.key.in_(list(keys)))
            for run_id, key, step, at, value, is_nan in session.execute(query):
                number = float("nan") if is_nan else measured(value)
                found.setdefault(run_id, {})[key] = Point(step, at, number)
    return found
