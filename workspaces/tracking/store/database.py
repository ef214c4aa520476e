"""Reads the built-in MLflow store's database itself. Only `workspaces.tracking` imports this.

Read only, by narrow SQL over MLflow's own tables: what its entities cost is measured in
docs/adr/0016. Writing stays MLflow's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from workspaces.errors import Problem
from workspaces.tracking.store.opening import mlflow_errors, stores

MOST_VARIABLES = 500  # of one IN (…): SQLite's limit was 999 before 3.32


@contextmanager
def reading(field: str = "", subject: str = "") -> Iterator[Any]:
    """A SQLAlchemy session on the built-in store's database.

    Args:
        field, subject: see `mlflow_errors`.
    Raises: Unavailable, and what `mlflow_errors` makes of other failures.
    """
    store, _registry = stores()
    problem: Problem | None = None
    with mlflow_errors(field=field, subject=subject), store.ManagedSessionMaker() as session:
        try:
            yield session
        except Problem as error:  # MLflow's session would make one of its own errors of it
            problem = error
    if problem is not None:
        raise problem


def is_sqlite(session: Any) -> bool:
    return bool(session.get_bind().dialect.name == "sqlite")


@contextmanager
def cursor_of(session: Any, query: str, values: Sequence[Any]) -> Iterator[Any]:
    """A cursor of the database's own driver that streams rows as plain tuples.

    Args:
        query: with "?" for each value.
    """
    connection = session.connection().connection.driver_connection
    if is_sqlite(session):
        cursor = connection.cursor()
    else:  # on the server: the whole answer would be in memory at once otherwise
        cursor = connection.cursor(name="slipway", binary=True)
        cursor.itersize = 20_000
        query = query.replace("%", "%%").replace("?", "%s")
    try:
        cursor.execute(query, list(values))
        yield cursor
    finally:
        cursor.close()


def values_of(session: Any, query: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """The one row of a query to PostgreSQL, in its binary form; with "?" for each value."""
    connection = session.connection().connection.driver_connection
    text = query.replace("%", "%%").replace("?", "%s")
    row: tuple[Any, ...] = connection.execute(text, list(values), binary=True).fetchone()
    return row


def pieces(ids: Sequence[str], size: int = MOST_VARIABLES) -> Iterator[list[str]]:
    """Ids in lists that fit into one query."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])
