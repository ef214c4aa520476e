"""Deleting archived runs for good: what `mlflow gc` does, for chosen runs of the built-in store."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Conflict, NotFound
from workspaces.tracking import run_get
from workspaces.tracking.store.opening import artifact_repository, mlflow_errors, stores
from workspaces.tracking.values import Run


def purging_is_there() -> bool:
    """Whether runs can be deleted for good; a remote server has no call for it."""
    return not settings.SLIPWAY.tracking_is_remote


def runs_purge(run_ids: Sequence[str]) -> int:
    """Deletes archived runs with their values and artifacts. Nothing of them can be restored.

    Logged models are not a run's artifacts and stay, as with `mlflow gc`.
    Returns: how many there were.
    Raises:
        Conflict: the server is remote, a run is not archived, or a model version was registered
            from one; nothing is deleted then.
        Unavailable.
    """
    if not purging_is_there():
        raise Conflict(_("Run “mlflow gc” on the tracking server: it has no call for this."))
    found = [run for one in dict.fromkeys(run_ids) if (run := _archived(one)) is not None]
    for run in found:
        _check_unregistered(run)
    for run in found:
        _purge(run)
    return len(found)


def _archived(run_id: str) -> Run | None:
    try:
        run = run_get(run_id)
    except NotFound:
        return None
    if not run.deleted:
        words = {"name": run.name}
        raise Conflict(_("Archive the run “%(name)s” before you delete it for good.") % words)
    return run


def _check_unregistered(run: Run) -> None:
    """A version names its run, or only the place of its files."""
    _store, registry = stores()
    for condition in (f"run_id = '{run.id}'", f"source_path LIKE '%/{run.id}/%'"):
        with mlflow_errors():
            versions = registry.search_model_versions(condition, 1)
        if versions:
            words = {"run": run.name, "model": versions[0].name, "version": versions[0].version}
            raise Conflict(
                _("Version %(version)s of model “%(model)s” was registered from the run “%(run)s”.")
                % words
            )


def _purge(run: Run) -> None:
    """The artifacts first: a run without its row would leave files that nobody finds again."""
    store, _registry = stores()
    if f"/{run.id}/" in f"{run.artifact_uri}/":  # a folder of its own, as MLflow makes them
        try:
            with mlflow_errors():
                artifact_repository(run.artifact_uri).delete_artifacts()
        except NotFound:
            pass  # it logged none
    with mlflow_errors(subject=_("This run")):
        store._hard_delete_run(run.id)
