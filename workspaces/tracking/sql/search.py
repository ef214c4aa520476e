"""A search for runs as SQLAlchemy clauses: MLflow's filter and order syntax, read by its parser.

What each clause means is copied from MLflow's own store (`_get_sqlalchemy_filter_clauses`,
`_get_orderby_clauses`); a property test asks both. Filters are EXISTS over primary keys, where
MLflow joins whole tables and sorts out doubles afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from workspaces.tracking.store.indexes import PREFIX
from workspaces.tracking.store.opening import stores

View = Literal["active", "deleted", "all"]
STAGES: dict[str, tuple[str, ...]] = {
    "active": ("active",),
    "deleted": ("deleted",),
    "all": ("active", "deleted"),
}
RUN_NAME = "mlflow.runName"
PARENT = "mlflow.parentRunId"


class _BeyondError(Exception):
    """The question is one for MLflow's own store: nothing is wrong with it."""


@dataclass(frozen=True)
class Order:
    """One key to sort by. `kind` is attribute, metric, parameter or tag."""

    kind: str
    key: str
    ascending: bool


@dataclass(frozen=True)
class Candidates:
    """What a condition leaves by an index over values.

    `number`: of the condition. `about`: what it says. `ids`: a query, of every experiment.
    """

    number: int
    about: tuple[str, ...]
    ids: Any


@dataclass
class Search:
    """A question for ids of runs."""

    experiments: tuple[int, ...]
    stages: tuple[str, ...]
    conditions: list[Any] = field(default_factory=list)
    orders: tuple[Order, ...] = ()
    candidates: list[Candidates] = field(default_factory=list)
    # by metric: what its own value must be, for a walk in the order of that metric
    bounds: dict[str, list[Callable[[Any], Any]]] = field(default_factory=dict)
    few: bool = False  # the conditions leave few runs, whatever the order


@functools.cache
def tables() -> SimpleNamespace:
    """MLflow's tables, as its models declare them."""
    stores()  # before any import of MLflow
    from mlflow.store.tracking.dbmodels import models as of

    return SimpleNamespace(
        runs=of.SqlRun.__table__,
        latest=of.SqlLatestMetric.__table__,
        params=of.SqlParam.__table__,
        tags=of.SqlTag.__table__,
        inputs=of.SqlInput.__table__,
        input_tags=of.SqlInputTag.__table__,
        datasets=of.SqlDataset.__table__,
        experiments=of.SqlExperiment.__table__,
    )


def table_of(kind: str) -> Any:
    """Where the values of a metric, parameter or tag are."""
    return {"metric": tables().latest, "parameter": tables().params, "tag": tables().tags}[kind]


def column_of(attribute: str) -> Any:
    """The column of one of MLflow's attributes of runs."""
    name = {"run_name": "name", "run_id": "run_uuid"}.get(attribute, attribute)
    if name not in tables().runs.c:
        raise _BeyondError
    return tables().runs.c[name]


def search_of(
    experiment_ids: Sequence[str], view: View, filter: str, order_by: Sequence[str], dialect: str
) -> Search | None:
    """The clauses of a question; None when MLflow's own store must answer it.

    Raises:
        MlflowException: the filter or the order is wrong, in MLflow's words.
    """
    from mlflow.utils.search_utils import SearchUtils

    if dialect not in {"sqlite", "postgresql"} or not all(i.isdecimal() for i in experiment_ids):
        return None
    try:
        experiments = tuple(dict.fromkeys(int(i) for i in experiment_ids))
        search = Search(experiments, STAGES[view], orders=_orders(order_by))
        for comparison in SearchUtils.parse_search_filter(filter):
            _add(search, comparison, dialect)
    except _BeyondError:
        return None
    return search


def _orders(order_by: Sequence[str]) -> tuple[Order, ...]:
    from mlflow.utils.search_utils import SearchUtils

    found: dict[tuple[str, str], Order] = {}
    for text in order_by:
        kind, key, ascending = SearchUtils.parse_order_by_for_search_runs(text)
        key = SearchUtils.translate_key_alias(key)
        if (kind, key) in found or kind not in {"attribute", "metric", "parameter", "tag"}:
            raise _BeyondError  # MLflow has the words for it
        if kind == "attribute":
            column_of(key)
        found[(kind, key)] = Order(kind, key, ascending)
    return tuple(found.values())


def _add(search: Search, comparison: dict[str, Any], dialect: str) -> None:
    from mlflow.utils.search_utils import SearchUtils

    kind, comparator = comparison["type"], comparison["comparator"].upper()
    key, value = SearchUtils.translate_key_alias(comparison["key"]), comparison["value"]
    compare = SearchUtils.get_sql_comparison_func
    if SearchUtils.is_attribute(kind, key, comparator):
        if key == "run_name":  # the column is empty in runs of MLflow 1.29 and older
            search.conditions.append(_has("tag", RUN_NAME, comparator, value, dialect))
            return
        search.conditions.append(compare(comparator, dialect)(column_of(key), value))
        search.few |= key == "run_id" and comparator in {"=", "IN"}
        return
    known = (
        SearchUtils.is_metric(kind, comparator)
        or SearchUtils.is_param(kind, comparator)
        or SearchUtils.is_tag(kind, comparator)
    )
    if not known:  # of data sets
        raise _BeyondError
    search.conditions.append(_has(kind, key, comparator, value, dialect))
    if comparator not in {"=", ">", ">=", "<", "<="}:
        return
    found = _candidates(kind, key, comparator, value, dialect)
    about = (kind, key, comparator, str(value))
    search.candidates.append(Candidates(len(search.conditions) - 1, about, found))
    if kind == "metric":
        number = float(value)
        bound = compare(comparator, dialect)
        search.bounds.setdefault(key, []).append(lambda column: bound(column, number))


def _has(kind: str, key: str, comparator: str, value: Any, dialect: str) -> Any:
    """Whether a run has such a metric, parameter or tag; by its primary key (key, run_uuid)."""
    from mlflow.utils.search_utils import SearchUtils
    from sqlalchemy import and_, false, or_, select, true

    runs, table = tables().runs, table_of(kind).alias()
    found = select(table.c.run_uuid).where(table.c.key == key, table.c.run_uuid == runs.c.run_uuid)
    if comparator == "IS NULL":
        return ~found.correlate(runs).exists()
    if comparator != "IS NOT NULL":
        number = float(value) if kind == "metric" else value
        wanted = SearchUtils.get_sql_comparison_func(comparator, dialect)(table.c.value, number)
        if kind == "metric":  # stored as zero and a mark, NaN differs from every number
            nan = table.c.is_nan
            wanted = (
                or_(wanted, nan == true()) if comparator == "!=" else and_(wanted, nan == false())
            )
        found = found.where(wanted)
    return found.correlate(runs).exists()


def _candidates(kind: str, key: str, comparator: str, value: Any, dialect: str) -> Any:
    """Ids of the runs that meet a condition, of every experiment."""
    from mlflow.utils.search_utils import SearchUtils
    from sqlalchemy import false, select

    table = table_of(kind).alias()
    found = select(table.c.run_uuid).where(table.c.key == key)
    if kind != "metric":
        found = found.where(beginning(table) == value[:PREFIX])
        if len(value) < PREFIX:  # its beginning is all of it
            return found
        return found.where(table.c.value.concat("") == value)  # SQLite puts a plain one into substr
    wanted = SearchUtils.get_sql_comparison_func(comparator, dialect)(table.c.value, float(value))
    return found.where(table.c.is_nan == false(), wanted)


def beginning(table: Any) -> Any:
    """What the index over values has, in its own words."""
    from sqlalchemy import func, literal_column

    return func.substr(table.c.value, literal_column("1"), literal_column(str(PREFIX)))
