"""Which runs are on a page: ids alone, found along an index wherever one has the order.

Two ways, with the same answer. *Walking*: the order's own index is read from its start, runs that
do not fit are passed over, and it ends when the page is full. *Sorting*: every run of the
experiments is looked at. Walking costs by how deep the page is, sorting by how many runs there
are; `_walks` compares the two. docs/adr/0016 has what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from workspaces.tracking.remembered import Remembered
from workspaces.tracking.sql.search import Candidates, Order, Search, table_of, tables
from workspaces.tracking.store.database import is_sqlite

COUNTS_KEPT_S = 60.0  # they only choose the way, never the answer
FEW_RUNS = 500  # sorting them is quick, however the index lies
MOST_CANDIDATES = 20_000  # counted of one condition
LOOKED_UP = 4  # a candidate costs as much as so many runs that a walk passes
MOST_COUNTS = 1_000  # kept; a name may have the 5,000 characters of a filter

_counts: Remembered[int] = Remembered(MOST_COUNTS)


def page_ids(session: Any, search: Search, offset: int, most: int) -> list[str]:
    """Ids of the runs from `offset` on, in order, at most `most`."""
    if not search.experiments:
        return []
    _begin_with_few(session, search, offset + most)
    segments = _segments(session, search, offset + most)
    found: list[str] = []
    for number, segment in enumerate(segments):
        rows = _ids(session, segment, offset, most - len(found))
        found += rows
        if len(found) >= most or number == len(segments) - 1:
            break
        if rows:
            offset = 0
        elif offset:  # all of this segment lies before the page
            offset -= _length(session, segment)
    return found


def runs_counted(session: Any, search: Search, most: int) -> int:
    """How many runs there are, no more than `most`."""
    from sqlalchemy import literal_column, select

    if not search.experiments:
        return 0
    _begin_with_few(session, search, most)
    bound: Any = literal_column(str(most))
    return _length(
        session, select(tables().runs.c.run_uuid).where(*_scope(session, search)).limit(bound)
    )


def _begin_with_few(session: Any, search: Search, depth: int) -> None:
    """Look for a condition that leaves so few runs that looking at all of them is less work.

    A walk is thought to end after `depth` runs that meet every condition, as if the conditions
    had nothing to do with each other and with the order.
    """
    if search.few or not search.candidates:
        return
    counts = [_at_most(session, one) for one in search.candidates]
    total = max(_count(session, None), 1)
    share = math.prod(count / total for count in counts if count < MOST_CANDIDATES)
    least = min(counts)
    if least < MOST_CANDIDATES and least * share < LOOKED_UP * depth:
        one = search.candidates[counts.index(least)]
        search.conditions[one.number] = tables().runs.c.run_uuid.in_(one.ids)
        search.few = True


def _at_most(session: Any, one: Candidates) -> int:
    from sqlalchemy import func, literal_column, select

    bound: Any = literal_column(str(MOST_CANDIDATES))
    counted = select(func.count()).select_from(one.ids.limit(bound).subquery())
    return _counts.asked(one.about, COUNTS_KEPT_S, lambda: int(session.scalar(counted)))


def _ids(session: Any, segment: Any, offset: int, most: int) -> list[str]:
    from sqlalchemy import literal_column

    # as words, not as values: PostgreSQL plans by them
    bounded = segment.limit(literal_column(str(most))).offset(literal_column(str(offset)))
    return list(session.execute(bounded).scalars())


def _length(session: Any, segment: Any) -> int:
    from sqlalchemy import func, select

    return int(session.scalar(select(func.count()).select_from(segment.order_by(None).subquery())))


def _segments(session: Any, search: Search, depth: int) -> list[Any]:
    """Queries whose answers, one after the other, are the whole list in order."""
    single = search.orders[0] if len(search.orders) == 1 else None
    if single and single.kind == "metric" and _walks(session, search, depth):
        return _by_metric(session, search, single)
    if single and (single.kind, single.key) == ("attribute", "start_time"):
        return _by_start(session, search, single)
    return [_sorted(session, search)]


def _walks(session: Any, search: Search, depth: int) -> bool:
    """Whether reading a metric's index passes fewer rows than the experiments have runs.

    The index has the runs of every experiment. Where these have one run in n, a page ends after
    n times its depth.
    """
    if search.few:
        return False
    here = _count(session, search.experiments)
    return here > FEW_RUNS and depth * _count(session, None) < here * here


def _count(session: Any, experiments: tuple[int, ...] | None) -> int:
    from sqlalchemy import func, select

    runs = tables().runs
    query = select(func.count()).select_from(runs)
    if experiments is not None:
        query = query.where(_among(runs.c.experiment_id, experiments))
    return _counts.asked(experiments, COUNTS_KEPT_S, lambda: int(session.scalar(query)))


def _among(column: Any, values: Sequence[Any]) -> Any:
    """Equality where it is one value: an index then has the order of what follows."""
    return column == values[0] if len(values) == 1 else column.in_(values)


def _experiments(session: Any, search: Search, *, by_index: bool) -> Any:
    """Which experiments. A sum is in no index: without one SQLite begins with what is left."""
    column = tables().runs.c.experiment_id
    if not by_index and is_sqlite(session):
        column = column + 0
    return _among(column, search.experiments)


def _scope(session: Any, search: Search) -> list[Any]:
    runs = tables().runs
    return [
        _experiments(session, search, by_index=not search.few),
        _among(runs.c.lifecycle_stage, search.stages),
        *search.conditions,
    ]


def _last() -> list[Any]:
    """What MLflow orders by in the end."""
    return [tables().runs.c.start_time.desc(), tables().runs.c.run_uuid]


def _by_start(session: Any, search: Search, order: Order) -> list[Any]:
    """Runs without a start come last; an index has them first or last, by database."""
    from sqlalchemy import select

    runs = tables().runs
    query = select(runs.c.run_uuid).where(*_scope(session, search))
    start = runs.c.start_time if order.ascending else runs.c.start_time.desc()
    return [
        query.where(runs.c.start_time.is_not(None)).order_by(start, runs.c.run_uuid),
        query.where(runs.c.start_time.is_(None)).order_by(runs.c.run_uuid),
    ]


def _by_metric(session: Any, search: Search, order: Order) -> list[Any]:
    """Numbers, then what is not a number, then runs without the metric."""
    from sqlalchemy import false, select, true

    runs, latest = tables().runs, tables().latest
    walked = (
        select(runs.c.run_uuid)
        .join(latest, latest.c.run_uuid == runs.c.run_uuid)
        .where(
            latest.c.key == order.key,
            _experiments(session, search, by_index=False),
            _among(runs.c.lifecycle_stage, search.stages),
            *search.conditions,
        )
    )
    numbers = walked.where(latest.c.is_nan == false())
    for bound in search.bounds.get(order.key, ()):  # of the walked row itself: a part of the index
        numbers = numbers.where(bound(latest.c.value))
    value = latest.c.value if order.ascending else latest.c.value.desc()
    has = select(latest.c.run_uuid).where(
        latest.c.key == order.key, latest.c.run_uuid == runs.c.run_uuid
    )
    without = select(runs.c.run_uuid).where(*_scope(session, search), ~has.correlate(runs).exists())
    return [
        numbers.order_by(value, *_last()),
        walked.where(latest.c.is_nan == true()).order_by(value, *_last()),
        without.order_by(*_last()),
    ]


def _sorted(session: Any, search: Search) -> Any:
    """Every run of the experiments, sorted by whatever was asked for."""
    from sqlalchemy import and_, case, select, true

    runs = tables().runs
    source, clauses = runs, []
    for order in search.orders:
        if order.kind == "attribute":
            name = {"run_name": "name", "run_id": "run_uuid"}.get(order.key, order.key)
            value = runs.c[name]
            rank = case((value.is_(None), 1), else_=0)
        else:
            table = table_of(order.kind).alias()
            same = and_(table.c.key == order.key, table.c.run_uuid == runs.c.run_uuid)
            source = source.outerjoin(table, same)
            value = table.c.value
            rank = case((value.is_(None), 2), else_=0)
            if order.kind == "metric":
                rank = case((table.c.is_nan == true(), 1), (value.is_(None), 2), else_=0)
        clauses += [rank, value if order.ascending else value.desc()]
    start, run_id = _last()
    if all((order.kind, order.key) != ("attribute", "start_time") for order in search.orders):
        clauses.append(start)
    query = select(runs.c.run_uuid).select_from(source).where(*_scope(session, search))
    return query.order_by(*clauses, run_id)
