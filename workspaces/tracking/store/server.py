"""Starts MLflow's own tracking server for the studio: one worker on a unix socket.

What runs is the app that `mlflow server` runs, started as that command starts it, but without the
command itself: it would stay in memory beside its worker (200 MB) and stand between the supervisor
and the process that holds the socket. A test compares our variables with MLflow's.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from config.env import Env
from workspaces.errors import Unavailable
from workspaces.tracking.store.indexes import indexes_drop, indexes_make

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

APP = "mlflow.server.fastapi_app:app"
PROXIED_ROOT = "mlflow-artifacts:/"
OUTDATED = "store_outdated"
KEEP_ALIVE_S = 75  # longer than the proxy keeps an idle connection: it never meets a closing one

# what a person has set for their own MLflow client or server must not reach this one
_DROPPED_PREFIXES = ("_MLFLOW_", "MLFLOW_SERVER_", "MLFLOW_TRACKING_", "MLFLOW_ENABLE_")
_DROPPED = frozenset(
    {
        "MLFLOW_REGISTRY_URI",
        "MLFLOW_STATIC_PREFIX",
        "MLFLOW_EXPOSE_PROMETHEUS",
        "MLFLOW_WORKSPACE",
        "MLFLOW_WORKSPACE_STORE_URI",
        "MLFLOW_RUN_ID",
        "MLFLOW_EXPERIMENT_ID",
        "MLFLOW_EXPERIMENT_NAME",
        "prometheus_multiproc_dir",
        # secrets that MLflow has no use for
        "SLIPWAY_SECRET_KEY",
        "SLIPWAY_ADMIN_PASSWORD",
        "DATABASE_URL",
        "REDIS_URL",
    }
)


def command(env: Env, source: Mapping[str, str] | None = None) -> tuple[list[str], dict[str, str]]:
    """How to start the server.

    Args:
        env: the studio's settings; not for a remote server.
        source: variables to start from; `os.environ` when omitted.
    Returns: arguments, and the whole environment. The store's URI, which may hold a password,
        is in the environment: arguments can be read by everybody on the machine.
    """
    arguments = [
        *(sys.executable, "-m", "uvicorn", APP),
        *("--uds", str(env.data.socket("tracking"))),
        *("--workers", "1", "--timeout-keep-alive", str(KEEP_ALIVE_S)),
        *("--timeout-graceful-shutdown", "5"),
        *("--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning"),
    ]
    inherited = os.environ if source is None else source
    environ = {name: value for name, value in inherited.items() if not _is_dropped(name)}
    environ |= {
        "_MLFLOW_SERVER_FILE_STORE": database_uri(env),
        "_MLFLOW_SERVER_REGISTRY_STORE": database_uri(env),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": PROXIED_ROOT,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": env.artifact_root,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_WORKSPACES": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PYTHONUNBUFFERED": "1",
    }
    return arguments, environ


def _is_dropped(name: str) -> bool:
    return name in _DROPPED or name.startswith(_DROPPED_PREFIXES)


def database_uri(env: Env) -> str:
    """The store's URI with the driver that is installed here: psycopg 3."""
    uri = env.tracking_uri
    for short in ("postgres://", "postgresql://"):
        if uri.startswith(short):
            return "postgresql+psycopg://" + uri.removeprefix(short)
    return uri


def prepare_store(env: Env) -> None:
    """Make the store once, before other processes open it; a good one is left as it is.

    SQLite is put in WAL mode. The experiment "Default" gets its artifacts through the proxy. The
    indexes that the pages read by are made where they are missing.
    Raises:
        Unavailable: the database does not answer, or its schema is not this MLflow's.
    """
    if env.tracking_is_remote:
        return
    uri = database_uri(env)
    _prepare_folders(env, uri)
    with _engine(uri) as engine, _only_one(env):
        _prepare(engine, uri)


def store_is_outdated(env: Env) -> bool:
    """Whether the store has an older schema than this MLflow's; an absent store is not outdated.

    Raises:
        Unavailable: the database does not answer, or a newer MLflow wrote it.
    """
    if env.tracking_is_remote or not _exists(env):
        return False
    from mlflow.store.db.utils import (
        _get_latest_schema_revision,
        _get_schema_version,
        _is_empty_database,
    )

    with _engine(database_uri(env)) as engine:
        if _is_empty_database(engine):
            return False
        try:
            _check_schema(_get_schema_version(engine), _get_latest_schema_revision())
        except Unavailable as problem:
            if problem.code != OUTDATED:
                raise
            return True
    return False


def store_upgrade(env: Env) -> None:
    """Migrate the store to this MLflow's schema, as `mlflow db upgrade` does.

    Not for a store that something uses; the caller has made a backup.
    Raises:
        Unavailable: the database does not answer, or a migration failed.
    """
    from mlflow.store.db.utils import _upgrade_db

    with _engine(database_uri(env)) as engine, _only_one(env):
        indexes_drop(engine)  # the next start makes them again
        _upgrade_db(engine)


@contextmanager
def _engine(uri: str) -> Iterator[Engine]:
    """The database of the store; what fails inside is one sentence.

    Raises:
        Unavailable.
    """
    import sqlalchemy
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
        try:
            yield engine
        finally:
            engine.dispose()
    except (SQLAlchemyError, CommandError, ImportError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        text = _("The MLflow store cannot be opened (SLIPWAY_TRACKING_URI): %(reason)s")
        raise Unavailable(text % {"reason": reason}) from error


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite URI; None for other databases."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").partition("?")[0])


def _exists(env: Env) -> bool:
    path = sqlite_path(env.tracking_uri)
    return path is None or path.exists()


def _prepare(engine: Engine, uri: str) -> None:
    import sqlalchemy
    from mlflow.store.db.utils import (
        _get_latest_schema_revision,
        _get_schema_version,
        _is_empty_database,
    )
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("PRAGMA journal_mode=WAL"))
    if not _is_empty_database(engine):
        _check_schema(_get_schema_version(engine), _get_latest_schema_revision())
    store: Any = SqlAlchemyStore(uri, PROXIED_ROOT)  # makes the tables and "Default" when absent
    store._dispose_engine()
    indexes_make(engine)


def _check_schema(found: str | None, wanted: str) -> None:
    if found == wanted:
        return
    if found is not None and not _is_known(found):
        raise Unavailable(
            _("The MLflow store was written by a newer MLflow. Upgrade Slipway to use it."),
            code="store_too_new",
        )
    raise Unavailable(
        _(
            "The MLflow store has an older schema. Stop what uses it and run `manage.py upgrade`: "
            "it makes a backup and migrates."
        ),
        code=OUTDATED,
    )


def _is_known(revision: str) -> bool:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError
    from mlflow.store.db.utils import _get_alembic_config

    try:
        script = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
        return script.get_revision(revision) is not None
    except CommandError:
        return False


def _prepare_folders(env: Env, uri: str) -> None:
    """Make the folders and an empty database that only this user can read."""
    env.data.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    env.data.socket("tracking").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if "://" not in env.artifact_root:
        Path(env.artifact_root).mkdir(parents=True, exist_ok=True, mode=0o700)
    path = sqlite_path(uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


@contextmanager
def _only_one(env: Env) -> Iterator[None]:
    """Two processes that start at once make the store one after the other."""
    with (env.data.run / "store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
