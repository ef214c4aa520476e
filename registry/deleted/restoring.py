"""Restoring deleted versions. MLflow never gives a number again: each becomes the next version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from registry.deleted import keeping
from registry.deleted.claiming import claimed
from registry.incoming.registering import model_for_version
from registry.models import DeletedModel, DeletedVersion
from registry.records import record_of, record_write
from registry.values import HIDDEN_TAGS, own_tags
from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.files import files_exist
from workspaces.tracking.models.values import StoredVersion

RESTORED = f"{HIDDEN_TAGS}slipway.restored"  # tag of MLflow's version: identity of the deleted one
NEWEST = 50  # versions among which a restore that was killed may have left its own


@dataclass(frozen=True)
class Restored:
    """A deleted version that lives again.

    Args:
        version: its number now; `was` the one that it had.
        aliases_lost: those that another version has now.
    """

    name: str
    version: str
    was: str
    aliases_lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class RestoredModel:
    """A deleted model that lives again; `problems` says of each version that could not be."""

    name: str
    versions: tuple[Restored, ...]
    problems: tuple[str, ...] = ()


def version_restore(*, deleted_id: int, user: Any) -> Restored:
    """Register a deleted version anew, with its files and all that was known of it.

    Its model is made again when it is gone, too.

    Raises:
        NotFound: there is no such deleted version (any more).
        Conflict: its files are gone, or somebody is restoring it at this moment.
        Unavailable: MLflow or its artifacts.
    """
    row = keeping.version_get(deleted_id)
    with claimed(row) as begun:
        stored = _made_before(row) if begun else None
        if stored is None:
            _check_files(row)
            stored = _register(row)
        return _finish(row, stored, user)


def model_restore(*, name: str, user: Any) -> RestoredModel:
    """Restore a deleted model with all its deleted versions, in the order they were made in.

    Raises:
        NotFound: nothing deleted has this name.
        Conflict: of none of its versions the files are there. Unavailable.
    """
    keeping.check_kept(name)
    rows = keeping.versions_kept(name).order_by(
        F("made_at").asc(nulls_first=True), Length("version"), "version"
    )
    found = list(rows.values_list("pk", "version"))
    restored, problems = [], []
    for pk, number in found:
        try:
            restored.append(version_restore(deleted_id=pk, user=user))
        except (Conflict, NotFound) as problem:
            words = {"version": number, "problem": problem.message}
            problems.append(_("Version %(version)s: %(problem)s") % words)
    if problems and not restored:
        raise Conflict(" ".join(problems[:5]), code="files_gone")
    kept = keeping.model_find(name)
    if kept is not None:
        _model_make(name)
        with transaction.atomic():
            DeletedModel.objects.filter(pk=kept.pk).delete()
            keeping.deleted_event("model.restored", kept, "", _("Restored."), user)
    return RestoredModel(name, tuple(restored), tuple(problems))


def _check_files(row: DeletedVersion) -> None:
    if row.source and not files_exist(row.source):
        text = _("The files of version %(version)s are gone, so it cannot be restored.")
        raise Conflict(text % {"version": row.version}, code="files_gone")


def _register(row: DeletedVersion) -> StoredVersion:
    try:
        with model_for_version(row.name, lambda: _model_make(row.name)):
            return tracking_models.version_create(
                name=row.name,
                source=row.source,
                run_id=row.run_id,
                model_id=row.model_id,
                description=row.description,
                tags={**row.tags, RESTORED: row.identity},
            )
    except (Invalid, NotFound) as error:  # its run is gone, for example
        text = _("MLflow refuses to register it again: %(why)s") % {"why": error.message}
        raise Conflict(text, code="refused") from error


def _made_before(row: DeletedVersion) -> StoredVersion | None:
    """The version that an earlier try made before it ended half-way."""
    try:
        page = tracking_models.versions_search(row.name, max_results=NEWEST)
    except NotFound:
        return None
    same = (item for item in page.items if item.tags.get(RESTORED) == row.identity)
    return next(same, None)


def _model_make(name: str) -> bool:
    """Make the model unless it lives; it gets back what it said unless it says something now."""
    made = tracking_models.model_create_if_absent(name)
    kept = keeping.model_find(name)
    if kept is not None:
        living = tracking_models.model_get(name)
        if not living.description and not own_tags(living.tags):
            if kept.description:
                tracking_models.model_describe(name, kept.description)
            tracking_models.model_tags_set(name, add=kept.tags, remove=set())
    return made


def _finish(row: DeletedVersion, stored: StoredVersion, user: Any) -> Restored:
    values = keeping.record_values(row)
    by = user.get_username() if user is not None else ""
    origin = {**values["origin"], "restored": {"version": row.version, "by": by}}
    record_write(record_of(stored), **{**values, "origin": origin})
    taken = dict(tracking_models.model_get(row.name).aliases)
    free = {alias for alias in row.aliases if taken.get(alias, stored.version) == stored.version}
    tracking_models.aliases_set(row.name, stored.version, add=free, remove=set())
    with transaction.atomic():
        DeletedVersion.objects.filter(pk=row.pk).delete()
        keeping.deleted_event(
            "version.restored",
            row,
            stored.version,
            _("Restored from the deleted version %(was)s.") % {"was": row.version},
            user,
            was=row.version,
        )
    lost = tuple(sorted(set(row.aliases) - free))
    return Restored(row.name, stored.version, row.version, lost)
