"""What must be done before the processes start: databases, MLflow's store, first user, assets.

Runs as a process of its own (`python -m studio.supervisor.prepare`), so that the supervisor never
imports MLflow. Says how it goes on stdout, one JSON object a line: `progress`, `password` or
`problem`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.env import Env

STAMP = "prepared.json"  # below run/: what has been done for which versions


def main() -> int:
    """Do every step; the exit code is 1 after a problem that was said as one sentence."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.conf import settings
    from django.db.utils import DatabaseError

    from workspaces.errors import Problem

    try:
        _migrate()
        _store(settings.SLIPWAY)
        _admin()
        _targets()
        _static_files(settings.SLIPWAY)
    except Problem as problem:
        _say("problem", str(problem))
        return 1
    except DatabaseError as error:
        _say("problem", f"The database cannot be used: {' '.join(str(error).split())}")
        return 1
    return 0


def _say(key: str, text: str) -> None:
    sys.stdout.write(json.dumps({key: text}) + "\n")
    sys.stdout.flush()


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        _say("progress", "Preparing the database")
        call_command("migrate", interactive=False, verbosity=0)


def store_is_ready(env: Env) -> bool:
    """Whether this MLflow has prepared this store already; asking MLflow itself takes seconds."""
    if env.tracking_is_remote:
        return True
    database = env.data.tracking_database
    built_in = env.tracking_uri == f"sqlite:///{database}"
    is_empty = built_in and (not database.exists() or database.stat().st_size == 0)
    return not is_empty and _stamps(env).get("store") == _store_stamp(env)


def _store_stamp(env: Env) -> str:
    return hashlib.sha256(f"{version('mlflow')} {env.tracking_uri}".encode()).hexdigest()


def _store(env: Env) -> None:
    if store_is_ready(env):
        return
    _say("progress", "Preparing the MLflow store")
    from workspaces.tracking.store import server as tracking_server

    tracking_server.prepare_store(env)
    _stamp(env, "store", _store_stamp(env))


def _targets() -> None:
    """Targets exist from the first request on; whether they are ready the first sweep finds out.

    So do curated environments, which a new version of Slipway may have changed.
    """
    from deployments.targets import targets_ensure
    from registry.environments.curated import curated_ensure

    targets_ensure()
    curated_ensure()


def _admin() -> None:
    from workspaces.bootstrap import ensure_admin

    password = ensure_admin()
    if password:
        _say("password", password)


def _static_files(env: Env) -> None:
    """Collect static files when a source changed; a release's are as old as the release."""
    from django.conf import settings
    from django.core.management import call_command

    wanted = _fingerprint()
    if _stamps(env).get("static") == wanted and Path(settings.STATIC_ROOT).is_dir():
        return
    _say("progress", "Collecting static files")
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    _stamp(env, "static", wanted)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for line in sorted(_sources()):
        digest.update(line.encode())
    return digest.hexdigest()


def _sources() -> Iterator[str]:
    from django.contrib.staticfiles.finders import get_finders

    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            yield f"{storage.location}/{path} {stat.st_mtime_ns} {stat.st_size}\n"


def _stamps(env: Env) -> dict[str, str]:
    try:
        found = json.loads((env.data.run / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(env: Env, key: str, value: str) -> None:
    path = env.data.run / STAMP
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**_stamps(env), key: value}), encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
