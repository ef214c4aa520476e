"""Indexes that Slipway adds to an MLflow store it owns, for what its pages ask.

MLflow's tables have none over the experiment of a run or over any value. Ours change no
answer, only how it is found; without them everything works, slower. MLflow's migrations may copy
tables and forget indexes, so `manage.py upgrade` takes them away before and `prepare_store` makes
them again. docs/adr/0016 says what they cost and what they bring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

PREFIX = 64  # characters
INDEXES = {
    # a page of an experiment by start, and counts, from the index alone
    "slipway_runs_by_start": "runs (experiment_id, lifecycle_stage, start_time DESC, run_uuid)",
    # runs in the order of a metric
    "slipway_latest_by_value": "latest_metrics (key, is_nan, value)",
    # runs with a value of a parameter or tag, children of a run among them; the beginning of the
    # value alone, because PostgreSQL bounds what an index row may hold
    "slipway_params_by_value": f"params (key, substr(value, 1, {PREFIX}))",
    "slipway_tags_by_value": f"tags (key, substr(value, 1, {PREFIX}))",
}
DIALECTS = ("sqlite", "postgresql")


def indexes_make(engine: Engine) -> None:
    """Make those that are missing; takes seconds per million metrics, else nothing.

    PostgreSQL cannot tell two processes that make the same index at once apart: the caller lets
    one in at a time.
    """
    import sqlalchemy

    if engine.dialect.name not in DIALECTS:
        return
    absent = {name: what for name, what in INDEXES.items() if name not in _names(engine)}
    for name, what in absent.items():
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"CREATE INDEX IF NOT EXISTS {name} ON {what}"))
    if absent and engine.dialect.name == "postgresql":  # it plans by statistics, of indexes as well
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("ANALYZE runs, latest_metrics, params, tags"))


def indexes_drop(engine: Engine) -> None:
    """Take them away, before MLflow changes its tables."""
    import sqlalchemy

    if engine.dialect.name not in DIALECTS:
        return
    with engine.begin() as connection:
        for name in INDEXES:
            connection.execute(sqlalchemy.text(f"DROP INDEX IF EXISTS {name}"))


def _names(engine: Engine) -> set[str]:
    import sqlalchemy

    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()",
    }[engine.dialect.name]
    with engine.connect() as connection:
        return {row[0] for row in connection.execute(sqlalchemy.text(query))}
