"""Which model versions were registered from runs, in few questions for all of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

from django.conf import settings

from workspaces.errors import Invalid, NotFound
from workspaces.tracking.models.values import StoredVersion, model_value, version_value
from workspaces.tracking.store.database import reading
from workspaces.tracking.store.opening import mlflow_errors, stores

RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
MOST_VERSIONS = 1_000
MOST_ALIASED = 20
MOST_MODELS = 200  # looked at over HTTP
PLAIN_NAME = re.compile(r"[\w\-. ]{1,256}", re.ASCII)  # can be quoted in MLflow's filters


def versions_of_runs(run_ids: Iterable[str]) -> dict[str, tuple[StoredVersion, ...]]:
    """The versions that were registered from each run, newest first, with their aliases.

    Runs without a version are left out; of more than 1,000 versions the newest are known.

    Raises:
        Unavailable.
    """
    wanted = sorted({run_id for run_id in run_ids if RUN_ID.fullmatch(run_id)})
    if not wanted:
        return {}
    _tracking, registry = stores()
    listed = ", ".join(f"'{run_id}'" for run_id in wanted)
    with mlflow_errors():
        rows = registry.search_model_versions(
            filter_string=f"run_id IN ({listed})",
            max_results=MOST_VERSIONS,
            order_by=["creation_timestamp DESC"],
        )
    aliases = _aliases({row.name for row in rows})
    found: dict[str, list[StoredVersion]] = {}
    for row in rows:
        version = version_value(row, aliases.get(row.name, {}))
        found.setdefault(version.run_id, []).append(version)
    return {run_id: tuple(versions) for run_id, versions in found.items()}


def _aliases(names: set[str]) -> dict[str, dict[str, str]]:
    """Per model alias -> version. Names that cannot be quoted are asked for one by one."""
    _tracking, registry = stores()
    plain = sorted(name for name in names if PLAIN_NAME.fullmatch(name))
    models = []
    if plain:
        listed = ", ".join(f"'{name}'" for name in plain)
        try:
            with mlflow_errors():
                models = list(registry.search_registered_models(f"name IN ({listed})", len(plain)))
        except Invalid:  # an older server knows no IN
            plain = []
    with mlflow_errors():
        models += [registry.get_registered_model(name) for name in sorted(names.difference(plain))]
    return {model.name: dict(model_value(model).aliases) for model in models}


def versions_aliased(alias: str, experiment_id: str) -> list[StoredVersion]:
    """Versions with an alias that were registered from runs of an experiment, at most 20.

    A remote server cannot be asked by experiment: there these are all with the alias among the
    200 models that were changed last, whatever their run.

    Raises:
        Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote:
        found = _aliased_over_http(alias)
    else:
        found = _aliased_in_database(alias, experiment_id)
    _tracking, registry = stores()
    versions = []
    for name, version in found[:MOST_ALIASED]:
        with contextlib.suppress(NotFound), mlflow_errors():  # deleted a moment ago
            row = registry.get_model_version(name, version)
            versions.append(version_value(row, {alias: str(row.version)}))
    return versions


def _aliased_in_database(alias: str, experiment_id: str) -> list[tuple[str, str]]:
    if not experiment_id.isdecimal() or len(experiment_id) > 9:
        return []
    stores()  # before any import of MLflow
    from mlflow.store.model_registry.dbmodels import models as of
    from mlflow.store.tracking.dbmodels.models import SqlRun
    from sqlalchemy import select

    holds, version = of.SqlRegisteredModelAlias, of.SqlModelVersion
    query = (
        select(version.name, version.version)
        .join(
            holds,
            (holds.workspace == version.workspace)
            & (holds.name == version.name)
            & (holds.version == version.version),
        )
        .join(SqlRun, SqlRun.run_uuid == version.run_id)
        .where(holds.alias == alias, SqlRun.experiment_id == int(experiment_id))
        .where(version.current_stage != of.STAGE_DELETED_INTERNAL)
        .order_by(version.creation_time.desc())
        .limit(MOST_ALIASED)
    )
    with reading() as session:
        return [(name, str(number)) for name, number in session.execute(query)]


def _aliased_over_http(alias: str) -> list[tuple[str, str]]:
    _tracking, registry = stores()
    with mlflow_errors():
        models = registry.search_registered_models(
            max_results=MOST_MODELS, order_by=["last_updated_timestamp DESC"]
        )
    held = ((model.name, dict(model_value(model).aliases).get(alias)) for model in models)
    return [(name, version) for name, version in held if version]
