"""Indexes of ours in MLflow's store: made once, no trouble to MLflow, used by what they are for."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from config import env as env_module
from config.env import Env
from workspaces.tracking.history.sql import series_query
from workspaces.tracking.store.indexes import INDEXES, indexes_drop, indexes_make
from workspaces.tracking.store.server import prepare_store, store_is_outdated, store_upgrade

TWO_YEARS_OLD = "4465047574b1"  # the schema of MLflow 2.16


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return env_module.load({"SLIPWAY_DATA_DIR": str(tmp_path / "data")})


def indexes(file: Path) -> dict[str, str]:
    with sqlite3.connect(file) as store:
        rows = store.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        return {name: sql for name, sql in rows if name.startswith("slipway_")}


def test_a_store_that_is_prepared_has_them_however_often(env: Env) -> None:
    prepare_store(env)
    made = indexes(env.data.tracking_database)
    assert set(made) == set(INDEXES)
    prepare_store(env)
    assert indexes(env.data.tracking_database) == made


def old_store(file: Path) -> Any:
    """A store of an older schema with one run, and our indexes in it."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine, text

    file.parent.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{file}"
    engine = create_engine(uri)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = _get_alembic_config(uri)
        config.attributes["connection"] = connection
        command.upgrade(config, TWO_YEARS_OLD)
        connection.execute(
            text(
                "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, "
                "lifecycle_stage, experiment_id) "
                "VALUES ('a', 'kept', 'LOCAL', 'ann', 'FINISHED', 5, 'active', 0)"
            )
        )
    indexes_make(engine)
    engine.dispose()
    return engine


def test_the_upgrade_takes_them_away_and_the_next_start_makes_them_again(env: Env) -> None:
    file = env.data.tracking_database
    old_store(file)
    before = indexes(file)
    env.data.run.mkdir(parents=True)
    assert store_is_outdated(env)
    store_upgrade(env)
    assert indexes(file) == {}
    prepare_store(env)
    assert indexes(file) == before
    assert set(before) == set(INDEXES)


def test_mlflows_own_upgrade_command_is_not_in_their_way(tmp_path: Path) -> None:
    from mlflow.store.db.utils import _upgrade_db
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file = tmp_path / "mlflow.db"
    engine = old_store(file)
    _upgrade_db(engine)
    engine.dispose()
    store: Any = SqlAlchemyStore(f"sqlite:///{file}", "mlflow-artifacts:/")
    assert [run.info.run_name for run in store.search_runs(["0"], "", 1, 10)] == ["kept"]
    indexes_drop(store.engine)
    indexes_make(store.engine)
    assert set(indexes(file)) == set(INDEXES)


def plan(file: Path, query: str) -> str:
    with sqlite3.connect(file) as store:
        return " / ".join(row[-1] for row in store.execute(f"EXPLAIN QUERY PLAN {query}"))


def test_sqlite_finds_a_page_along_them(env: Env) -> None:
    """The shapes of `tracking.sql.pages`; a page that sorts all runs would be slow, not wrong."""
    prepare_store(env)
    by_start = plan(
        env.data.tracking_database,
        "SELECT run_uuid FROM runs WHERE experiment_id = 1 AND lifecycle_stage = 'active' "
        "ORDER BY start_time DESC, run_uuid LIMIT 51",
    )
    assert "COVERING INDEX slipway_runs_by_start" in by_start
    assert "TEMP B-TREE" not in by_start
    by_metric = plan(
        env.data.tracking_database,
        "SELECT runs.run_uuid FROM runs JOIN latest_metrics m ON m.run_uuid = runs.run_uuid "
        "WHERE m.key = 'x' AND runs.experiment_id + 0 = 1 AND runs.lifecycle_stage = 'active' "
        "AND m.is_nan = 0 ORDER BY m.value DESC, runs.start_time DESC, runs.run_uuid LIMIT 51",
    )
    assert by_metric.startswith("SEARCH m USING INDEX slipway_latest_by_value (key=? AND is_nan=?)")
    assert "FOR ORDER BY" not in by_metric.replace("RIGHT PART OF ORDER BY", "")


@pytest.mark.parametrize("axis", ["step", "time"])
@pytest.mark.parametrize("low", [None, 5.0])
def test_sqlite_finds_the_points_of_a_metric_by_their_run(
    env: Env, axis: Any, low: float | None
) -> None:
    """By the primary key it would read the metric's points of all runs."""
    prepare_store(env)
    query, ends = series_query(axis, low, None, sqlite=True)
    assert len(ends) == (low is not None)
    found = plan(env.data.tracking_database, query.replace("?", "'1'"))
    assert "USING INDEX index_metrics_run_uuid_key_step (run_uuid=? AND key=?" in found
    assert "TEMP B-TREE" not in found
