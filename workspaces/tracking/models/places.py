"""Places in MLflow's artifact store for files that no run logged: uploads and copies.

In the built-in store a place is `mlflow-artifacts:/registered/<id>`, below the artifact root. A
remote server takes a version's files only from a run or a logged model, so there a place is a
logged model of the experiment "slipway-registered", `models:/m-…`; servers older than MLflow 3
know none and take `mlflow-artifacts:/registered/<id>`, too.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Invalid, NotFound, Unavailable
from workspaces.tracking.models.registry import versions_of_source
from workspaces.tracking.store.opening import artifact_repository, local_path, mlflow_errors, stores

FOLDER = "registered"
EXPERIMENT = "slipway-registered"
UPLOAD_TIMEOUT_S = 600  # of one answer of a remote server while it takes a large file
_PREFIX = f"mlflow-artifacts:/{FOLDER}/"
_MODEL = "models:/"
_REMOVING = ".removing-"


@dataclass(frozen=True)
class Place:
    """Where files go. `source` is what a model version refers to; `model_id` "" for a folder."""

    source: str
    uri: str
    model_id: str = ""


def place_new(name: str, run_id: str = "") -> Place:
    """A place that nothing is in yet. Nothing is written in the built-in store.

    Args:
        name: of the registered model, for people who look at the remote server.
        run_id: the run that the files were copied from, if any.
    Raises:
        Unavailable.
    """
    folder = f"{_PREFIX}{uuid.uuid4().hex}"
    if not settings.SLIPWAY.tracking_is_remote:
        return Place(folder, folder)
    store, _registry = stores()
    try:
        with mlflow_errors():
            made = store.create_logged_model(
                _experiment(store), name=_logged_name(name), source_run_id=run_id or None
            )
    except NotFound:  # a server that knows no logged models
        return Place(folder, folder)
    return Place(f"{_MODEL}{made.model_id}", made.artifact_location, made.model_id)


def _experiment(store: Any) -> str:
    found = store.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(store.create_experiment(EXPERIMENT))


def _logged_name(name: str) -> str:
    """MLflow refuses these characters in names of logged models."""
    return "".join("-" if char in "/:.%\"'" else char for char in name)[:200] or "model"


def place_fill(place: Place, folder: Path) -> None:
    """Bring a folder's files to a place; the built-in store takes the folder itself, by renaming.

    Raises:
        Unavailable: the store does not answer, or its disk is full.
        Invalid: a server refuses the name of a file.
    """
    target = _local(place.uri)
    if target is not None:
        _move(folder, target)
        return
    repository = artifact_repository(place.uri)
    with mlflow_errors():
        if not hasattr(repository, "_host_creds"):
            repository.log_artifacts(str(folder))
            return
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                _upload(repository, path, path.relative_to(folder).as_posix())


def place_finish(place: Place) -> None:
    """Say that all files are there; a logged model becomes ready."""
    if not place.model_id:
        return
    store, _registry = stores()
    from mlflow.entities import LoggedModelStatus

    with mlflow_errors():
        store.finalize_logged_model(place.model_id, LoggedModelStatus.READY)


def place_is_own(source: str) -> bool:
    """Whether `place_new` made this place; what runs logged is never one. Raises: Unavailable."""
    if source.startswith(_PREFIX):
        return source.removeprefix(_PREFIX).isalnum()
    if not source.startswith(_MODEL) or not settings.SLIPWAY.tracking_is_remote:
        return False
    store, _registry = stores()
    try:
        with mlflow_errors():
            made = store.get_logged_model(source.removeprefix(_MODEL))
            experiment = store.get_experiment_by_name(EXPERIMENT)
    except NotFound:
        return False
    return experiment is not None and made.experiment_id == experiment.experiment_id


def place_location(source: str) -> str:
    """Where the files of a place are, as MLflow says it of copies.

    Raises:
        NotFound: the place is gone. Unavailable.
    """
    if not source.startswith(_MODEL):
        return source
    store, _registry = stores()
    with mlflow_errors():
        return str(store.get_logged_model(source.removeprefix(_MODEL)).artifact_location)


def place_remove(source: str) -> None:
    """Remove what is at a place, and the place; succeeds when there is nothing.

    In the built-in store a place is there whole or not at all, whenever the process is killed.

    Raises:
        Unavailable: the store does not answer, or files cannot be removed.
        Invalid: it is not a place that `place_new` made.
    """
    if source.startswith(_MODEL) and settings.SLIPWAY.tracking_is_remote:
        _remove_logged(source.removeprefix(_MODEL))
        return
    name = source.removeprefix(_PREFIX)
    if not source.startswith(_PREFIX) or not name.isalnum():
        raise Invalid(_("%(place)s is no place of registered files.") % {"place": source[:200]})
    target = _local(source)
    if target is not None:
        _remove_local(target)
        return
    try:
        with mlflow_errors():
            artifact_repository(source).delete_artifacts()
    except NotFound:
        return


def removals_finish() -> None:
    """Remove what a process that was killed meanwhile had begun to. Raises: Unavailable."""
    if settings.SLIPWAY.tracking_is_remote:
        return
    root = local_path(settings.SLIPWAY.artifact_root)
    for path in root.glob(f"{FOLDER}/{_REMOVING}*") if root is not None else ():
        _remove_local(path.with_name(path.name.removeprefix(_REMOVING)))


def place_remove_unless_used(source: str) -> None:
    """Remove a place for which no version was made. Raises: Unavailable."""
    try:
        if not versions_of_source(source):
            place_remove(source)
    except (NotFound, Invalid):
        return  # of another store than the present one


def _remove_logged(model_id: str) -> None:
    store, _registry = stores()
    try:
        with mlflow_errors():
            location = store.get_logged_model(model_id).artifact_location
            artifact_repository(location).delete_artifacts()
            store.delete_logged_model(model_id)
    except NotFound:
        return


def _local(uri: str) -> Path | None:
    """The folder of a place of the built-in store; None where it keeps artifacts elsewhere."""
    if settings.SLIPWAY.tracking_is_remote:
        return None
    root = local_path(settings.SLIPWAY.artifact_root)
    return None if root is None else root / FOLDER / uri.removeprefix(_PREFIX)


def _incoming(target: Path) -> Path:
    return target.with_name(f".incoming-{target.name}")


def _remove_local(target: Path) -> None:
    removing = target.with_name(f"{_REMOVING}{target.name}")
    try:
        shutil.rmtree(removing, ignore_errors=True)  # of an earlier try: else nothing can be there
        with contextlib.suppress(FileNotFoundError):
            target.rename(removing)
        for path in (removing, _incoming(target)):
            if path.exists():
                shutil.rmtree(path)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        text = _("The files cannot be removed from the artifact store: %(cause)s.")
        raise Unavailable(text % {"cause": cause}) from error


def _move(folder: Path, target: Path) -> None:
    """Give a folder its place: by renaming, so that it is there whole or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            incoming = _incoming(target)  # on another disk: copied beside, then renamed
            shutil.copytree(folder, incoming)
            incoming.rename(target)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        text = _("The files cannot be kept in the artifact store: %(cause)s.")
        raise Unavailable(text % {"cause": cause}) from error


def _upload(repository: Any, file: Path, path: str) -> None:
    """One file by HTTP, streamed; MLflow's own time limit is meant for small questions."""
    from mlflow.utils.rest_utils import augmented_raise_for_status, http_request

    with file.open("rb") as stream:
        answer = http_request(
            repository._host_creds,
            "/" + quote(path),
            "PUT",
            data=stream,
            timeout=UPLOAD_TIMEOUT_S,
        )
    if answer.status_code == 400:  # its rules for names, against "#%" for example
        raise Invalid(_("The MLflow server refuses the file name %(path)s.") % {"path": path[:200]})
    augmented_raise_for_status(answer)
