"""Which model versions were registered from runs, in two questions for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from workspaces.errors import Invalid
from workspaces.tracking_model_values import StoredVersion, model_value, version_value
from workspaces.tracking_stores import mlflow_errors, stores

RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
MOST_VERSIONS = 1_000
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
