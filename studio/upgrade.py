"""`manage.py upgrade`: back up the databases, then migrate them to what this release needs."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config.env import Env
from studio.supervisor import commands, folder, records
from studio.supervisor.problem import StartProblem
from workspaces.errors import Problem
from workspaces.tracking.store import server as tracking_server

Say = Callable[[str], None]


@dataclass(frozen=True)
class Pending:
    """What has to be migrated."""

    studio: bool
    store: bool


def upgrade(env: Env, *, yes: bool, say: Say) -> None:
    """Back up and migrate the studio's database and MLflow's store; nothing when all is current.

    Args:
        yes: databases that are no SQLite files were backed up by hand.
    Raises:
        StartProblem: one sentence; what it says about the backup tells whether one was made.
    """
    folder.prepare(env)
    lock = folder.UpLock(env.data)
    if not lock.take():
        raise StartProblem(
            "The studio of this data folder is up; run `manage.py down` first "
            "(with --keep-serving, scoring goes on)."
        )
    try:
        # a supervisor that was killed leaves processes that use the databases
        left = records.Records(env.data.run / "processes.json")
        left.end_leftovers(env.data.node_id, keep=commands.SERVING)
        _upgrade(env, yes=yes, say=say)
    finally:
        lock.release()


def _upgrade(env: Env, *, yes: bool, say: Say) -> None:
    try:
        pending = Pending(_studio_is_outdated(), tracking_server.store_is_outdated(env))
    except Problem as problem:
        raise StartProblem(problem.message) from problem
    except DatabaseError as error:
        raise StartProblem(f"The database cannot be used: {_one_line(error)}") from error
    if env.tracking_is_remote:
        say("The MLflow server is not ours: whoever runs it upgrades its store.")
    if pending == Pending(studio=False, store=False):
        say("Everything is up to date.")
        return
    saved = _back_up(env, pending, yes=yes, say=say)
    try:
        _migrate(env, pending, say)
    except (Problem, DatabaseError) as error:
        raise StartProblem(f"The upgrade failed: {_one_line(error)} {saved}") from error


def _studio_is_outdated() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _migrate(env: Env, pending: Pending, say: Say) -> None:
    if pending.studio:
        say("Migrating the studio's database …")
        call_command("migrate", interactive=False, verbosity=0)
    if pending.store:
        say("Migrating the MLflow store …")
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # a line for every migration
        tracking_server.store_upgrade(env)
    say("Done. Start the studio with `manage.py up`.")


# --- backup ---------------------------------------------------------------------------------------


def _back_up(env: Env, pending: Pending, *, yes: bool, say: Say) -> str:
    """Copy every SQLite database that will change; return a sentence about it for problems.

    Raises:
        StartProblem: there is no room, it cannot be written, or a database is not SQLite's and
            nobody said that it was saved.
    """
    uris = [(pending.studio, env.database_url), (pending.store, env.tracking_uri)]
    touched = [uri for changes, uri in uris if changes]
    files = [path for uri in touched if (path := tracking_server.sqlite_path(uri)) is not None]
    if len(files) < len(touched) and not yes:
        raise StartProblem(
            "A database is on PostgreSQL, which this command does not back up: "
            "save it with pg_dump, then run `manage.py upgrade --yes`."
        )
    files = [path for path in files if path.exists() and path.stat().st_size]
    if not files:
        return "Restore the databases from the backup you made."
    place = env.data.backups / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    try:
        _check_room(env, files)
        place.mkdir(parents=True, mode=0o700)
        for path in files:
            _copy(path, place / path.name)
            say(f"Backed up {path.name} to {place / path.name}")
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartProblem(
            f"The backup in {place} could not be made ({reason}); nothing was changed."
        ) from error
    return f"The databases as they were are in {place}."


def _check_room(env: Env, files: list[Path]) -> None:
    # a migration may rewrite its largest table, so the copy alone is not enough
    needed = 2 * sum(path.stat().st_size for path in files)
    free = shutil.disk_usage(env.data.root).free
    if free < needed:
        raise StartProblem(
            f"The backup and the migration need {needed >> 20} MB and only {free >> 20} MB are "
            "free; nothing was changed."
        )


def _copy(source: Path, destination: Path) -> None:
    """A consistent copy, also of what is still in the write-ahead log."""
    os.close(os.open(destination, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(destination)) as new:
        old.backup(new)
        [result] = new.execute("PRAGMA quick_check(1)").fetchone()
    if result != "ok":
        raise sqlite3.DatabaseError(f"{source.name} is damaged: {result}")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."
