"""`manage.py upgrade`: a backup first, then both databases at this release; else one sentence."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy

from studio.supervisor.folder import UpLock
from tests.setup.studio_process import Studio, free_ports, kept_folder, only_sentence

OLDER = 5  # revisions before the newest


@pytest.fixture
def studio() -> Iterator[Studio]:
    made = Studio.make()
    made.data.run.mkdir(parents=True)
    try:
        yield made
    finally:
        made.close()


def old_store(path: Path) -> str:
    """MLflow's own tables as an older release made them, with one experiment; its revision."""
    shutil.copy(_old_store(), path)
    return str(revision_of(path))


@cache
def _old_store() -> Path:
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import InitialBase, _get_alembic_config

    path = kept_folder() / "mlflow.db"
    config = _get_alembic_config(f"sqlite:///{path}")
    script = ScriptDirectory.from_config(config)
    revision = [found.revision for found in script.walk_revisions()][OLDER]
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.pool.NullPool)
    InitialBase.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    change(path, "INSERT INTO experiments (experiment_id, name, lifecycle_stage) "
                 "VALUES (7, 'kept', 'active')")  # fmt: skip
    return path


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def change(path: Path, query: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(query)


def revision_of(path: Path) -> object:
    return ask(path, "SELECT version_num FROM alembic_version")[0][0]


def backups(studio: Studio) -> list[Path]:
    return sorted(studio.data.backups.glob("*/*.db")) if studio.data.backups.is_dir() else []


def test_an_older_store_is_backed_up_and_migrated_once(studio: Studio) -> None:
    store = studio.data.tracking_database
    before = old_store(store)
    assert "manage.py upgrade" in only_sentence(studio.manage("up"))

    done = studio.manage("upgrade")
    assert done.returncode == 0, done.stderr
    assert revision_of(store) != before
    assert ask(store, "SELECT experiment_id FROM experiments WHERE name = 'kept'") == [(7,)]
    [copy] = [path for path in backups(studio) if path.name == "mlflow.db"]
    assert revision_of(copy) == before
    assert ask(copy, "SELECT name FROM experiments WHERE experiment_id = 7") == [("kept",)]
    assert copy.stat().st_mode & 0o077 == 0
    assert str(copy) in done.stdout
    assert done.stderr == ""

    made = backups(studio)
    again = studio.manage("upgrade")
    assert (again.returncode, again.stdout) == (0, "Everything is up to date.\n")
    assert backups(studio) == made


def test_the_studios_own_database_is_backed_up_with_what_is_in_its_log(studio: Studio) -> None:
    database = studio.data.database
    assert studio.manage("migrate").returncode == 0
    assert studio.manage("migrate", "deployments", "zero").returncode == 0
    change(database, "CREATE TABLE witness AS SELECT 1 AS value")
    with closing(sqlite3.connect(database)) as reader:  # keeps the write-ahead log alive
        reader.execute("SELECT 1 FROM witness").fetchall()
        change(database, "INSERT INTO witness VALUES (2)")
        done = studio.manage("upgrade")
    assert done.returncode == 0, done.stderr
    assert ask(database, "SELECT count(*) FROM deployments_service") == [(0,)]
    [copy] = backups(studio)
    assert copy.name == "slipway.db"
    assert ask(copy, "SELECT value FROM witness") == [(1,), (2,)]
    assert ask(copy, "SELECT name FROM sqlite_master WHERE name = 'deployments_service'") == []


def test_it_refuses_while_the_studio_is_up(studio: Studio) -> None:
    old_store(studio.data.tracking_database)
    lock = UpLock(studio.data)
    assert lock.take()
    try:
        assert "manage.py down" in only_sentence(studio.manage("upgrade"))
    finally:
        lock.release()
    assert backups(studio) == []


def test_a_store_of_a_newer_mlflow_is_left_alone(studio: Studio) -> None:
    store = studio.data.tracking_database
    old_store(store)
    change(store, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert "newer MLflow" in only_sentence(studio.manage("upgrade"))
    assert revision_of(store) == "ffffffffffff"
    assert backups(studio) == []


def test_without_a_backup_nothing_is_changed(studio: Studio) -> None:
    before = old_store(studio.data.tracking_database)
    studio.data.backups.touch()  # a file where the folder must be
    sentence = only_sentence(studio.manage("upgrade"))
    assert "nothing was changed" in sentence
    assert str(studio.data.backups) in sentence
    assert revision_of(studio.data.tracking_database) == before


def test_a_damaged_store_is_one_sentence(studio: Studio) -> None:
    studio.data.tracking_database.write_bytes(b"no database at all" * 1000)
    assert "MLflow store" in only_sentence(studio.manage("upgrade"))


def test_a_database_that_does_not_answer_keeps_its_password_secret(studio: Studio) -> None:
    [port] = free_ports(1)
    url = f"postgres://slipway:hunter2@127.0.0.1:{port}/slipway"
    sentence = only_sentence(studio.manage("upgrade", environment={"DATABASE_URL": url}))
    assert sentence.startswith("The database cannot be used:")
    assert "hunter2" not in sentence


@pytest.mark.soak
@pytest.mark.postgres
def test_postgresql_needs_a_yes(studio: Studio, postgres_url: str) -> None:
    environment = {"DATABASE_URL": postgres_url}
    assert studio.manage("migrate", "deployments", "zero", environment=environment).returncode == 0
    assert "pg_dump" in only_sentence(studio.manage("upgrade", environment=environment))
    done = studio.manage("upgrade", "--yes", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "Everything is up to date" in studio.manage("upgrade", environment=environment).stdout


def test_a_remote_mlflow_is_upgraded_by_others(studio: Studio) -> None:
    [port] = free_ports(1)
    remote = {"SLIPWAY_TRACKING_URI": f"http://127.0.0.1:{port}"}
    done = studio.manage("upgrade", environment=remote)
    assert done.returncode == 0, done.stderr
    assert "not ours" in done.stdout
