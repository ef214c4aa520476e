"""Changes of models and versions. Pages and API call these; MLflow holds the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from registry import rules, selectors
from registry.deleted.deleting import model_delete as model_delete
from registry.deleted.deleting import version_delete as version_delete
from registry.formats.recognising import Found
from registry.incoming import registering, sources
from registry.incoming.receiving import Upload
from registry.incoming.registering import Details, Origin, details_read
from registry.incoming.staging import staging_open
from registry.records import properties_add, record_of, record_write
from registry.values import ModelChoice, own_tags
from registry.values import VersionInfo as VersionInfo  # deployments names it from here
from workspaces import tracking
from workspaces.errors import Invalid, NotFound
from workspaces.events import event_record
from workspaces.tracking.artifacts import artifact_path_clean
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.files import join_uri, model_folder_exists
from workspaces.tracking.models.values import StoredModel
from workspaces.tracking.values import Run


def model_register_from_run(
    *,
    run_id: str,
    path: str = "",
    name: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    user: Any,
    **more: Any,
) -> VersionInfo:
    """Register a model that a run logged, as the next version of a registered model.

    Args:
        path: name or id of a logged model of the run, else a path among the run's artifacts, a
            file or a folder; "" is the run's most recent logged model.
        name: of the registered model; made when there is none.
        tags: put on the version.
        user: who asks; None for the system.
        more: the other fields of `registering.details_read`.
    Raises:
        Invalid: name, description or tags break a rule (all in `fields`), or the run has no such
            model.
        NotFound: there is no such run.
        Unavailable: MLflow or its artifacts do not answer.
    """
    details = details_read(name=name, description=description, tags=dict(tags or {}), **more)
    run = tracking.run_get(run_id)
    chosen = _choose(run, path)
    if isinstance(chosen, str):
        return _register_artifact(run, chosen, details, user)
    with registering.model_for_version(name):
        stored = tracking_models.version_create(
            name=name,
            source=chosen.source,
            run_id=run.id,
            model_id=chosen.model_id,
            description=description,
            tags=details.tags,
        )
    by = user.get_username() if user is not None else ""
    origin = {"kind": "run", "by": by, "path": chosen.path, "folder": chosen.label.split("/")[-1]}
    registering.keep(stored, details, origin, Found("mlflow"))
    registering.registered(stored, _("Registered from a run."), user)
    return selectors.version_get(name, stored.version)


def _register_artifact(run: Run, path: str, details: Details, user: Any) -> VersionInfo:
    """Register a file, or a folder that is no MLflow model, of a run: by a copy of its own."""
    with staging_open() as staging:
        try:
            files = sources.artifact_copy(staging, run, path)
        except NotFound as problem:
            raise _no_model(
                _("The run has no logged model and no artifact named “%(path)s”.") % {"path": path}
            ) from problem
        origin = Origin("run", path, run.id)
        stored = registering.version_make(staging, files, details, origin, user)
    return selectors.version_get(stored.name, stored.version)


def model_register_best(
    *, experiment_id: str, metric: str, mode: str, user: Any, **details: Any
) -> VersionInfo:
    """Register the model of an experiment's best run by a metric.

    Args:
        mode: "max" or "min".
        details: as of `model_register_from_run`.
    Raises:
        Invalid: no run has the metric, or the best one has no such model; and as
            `model_register_from_run`.
    """
    run = selectors.best_run(experiment_id, metric, mode)
    return model_register_from_run(run_id=run.id, user=user, **details)


def model_register_upload(*, upload: Upload, user: Any, **details: Any) -> VersionInfo:
    """Register files that were uploaded.

    Args:
        details: the fields of `registering.details_read`.
    Raises:
        Invalid: all that is wrong with the fields, or with the files. Unavailable.
    """
    checked = details_read(**details)
    files = upload.files()
    origin = Origin("upload", upload.file_name())
    stored = registering.version_make(upload.staging, files, checked, origin, user)
    return selectors.version_get(stored.name, stored.version)


def model_register_path(*, server_path: str, user: Any, **details: Any) -> VersionInfo:
    """Register a file or a folder of the server, below the folders of SLIPWAY_MODEL_PATHS.

    Raises:
        Invalid: on `server_path`, or what is wrong with the fields. Unavailable.
    """
    checked = details_read(**details)
    with staging_open() as staging:
        files = sources.server_path_copy(staging, server_path)
        origin = Origin("path", server_path)
        stored = registering.version_make(staging, files, checked, origin, user)
    return selectors.version_get(stored.name, stored.version)


def _choose(run: Run, path: str) -> ModelChoice | str:
    """The model of a run that `path` means, or the path of an artifact that is to be copied.

    Raises:
        Invalid, Unavailable.
    """
    if run.deleted:
        raise Invalid(_("The run is deleted. Restore it before registering its model."))
    choices = selectors.run_choices(run)
    wanted = [item for item in choices if path in {"", item.path, item.model_id}]
    ready = [item for item in wanted if item.ready]
    if ready:
        return ready[0]
    if wanted:
        raise _no_model(_("The model is still being logged, or logging it failed."))
    if not path:
        raise _no_model(
            _(
                "This run logged no model. Log one with mlflow.<flavor>.log_model(model, "
                'name="model") and it can be registered.'
            )
        )
    clean = artifact_path_clean(path.rstrip("/"))
    if not clean:
        raise _no_model(_("Name a file or a folder among the run's artifacts."))
    source = join_uri(run.artifact_uri, clean)
    if model_folder_exists(source):
        return ModelChoice(clean, clean, source, "", True, None)
    return clean


def _no_model(sentence: str) -> Invalid:
    return Invalid(sentence, fields={"path": [sentence]}, code="no_model")


def version_update(
    *,
    name: str,
    version: str,
    user: Any,
    tags: Mapping[str, str] | None = None,
    description: str | None = None,
    aliases: Sequence[str] | None = None,
    properties: Mapping[str, str] | None = None,
    notes: str | None = None,
) -> VersionInfo:
    """Change a version; what is None stays.

    Args:
        tags: all tags that the version shall have (MLflow's own are left alone).
        properties: new ones; one that is set already can only be given its value again.
        notes: Markdown.
        aliases: all aliases that shall point at it; each leaves the version that it was on.
    Raises:
        Invalid: all violations, in `fields`.
        Conflict: a property has another value already.
        NotFound: there is no such version.
    """
    stored = tracking_models.version_get(name, version)
    rules.check(
        description=rules.text(description),
        tags=rules.tags(tags),
        aliases=rules.aliases(aliases),
        properties=rules.properties(properties),
        notes=rules.text(notes, rules.MAX_NOTES),
    )
    if properties:
        properties_add(record_of(stored), properties)
    if notes is not None:
        record_write(record_of(stored), notes=notes)
    if description is not None and description != stored.description:
        tracking_models.version_describe(name, version, description)
    if tags is not None:
        add, remove = _difference(own_tags(stored.tags), tags)
        tracking_models.version_tags_set(name, version, add=add, remove=remove)
    if aliases is not None:
        before, after = set(stored.aliases), set(aliases)
        tracking_models.aliases_set(name, version, add=after - before, remove=before - after)
    _event("version.updated", name, version, _("Changed."), user)
    return selectors.version_get(name, version)


def model_update(
    *,
    name: str,
    user: Any,
    tags: Mapping[str, str] | None = None,
    description: str | None = None,
) -> StoredModel:
    """Change a model's description or tags; what is None stays.

    Raises:
        Invalid: all violations, in `fields`.
        NotFound: there is no such model.
    """
    stored = tracking_models.model_get(name)
    rules.check(description=rules.text(description), tags=rules.tags(tags))
    if description is not None and description != stored.description:
        tracking_models.model_describe(name, description)
    if tags is not None:
        add, remove = _difference(own_tags(stored.tags), tags)
        tracking_models.model_tags_set(name, add=add, remove=remove)
    _event("model.updated", name, "", _("Changed."), user)
    return tracking_models.model_get(name)


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Any, set[str]]:
    add = {key: value for key, value in after.items() if before.get(key) != value}
    return add, before.keys() - after.keys()


def _event(kind: str, name: str, version: str, what: str, user: Any) -> None:
    subject = _("Version %(version)s") % {"version": version} if version else _("Model")
    event_record(
        kind=kind,
        subject_type="model",
        subject=name,
        message=f"{subject}: {what}",
        actor=user,
        data={"name": name, "version": version},
    )
