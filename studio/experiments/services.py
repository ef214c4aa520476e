"""Changes of experiments and runs that the lists offer. Pages and API call these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from studio.experiments.models import Star
from workspaces import tracking
from workspaces.errors import Conflict, Invalid
from workspaces.events import event_record
from workspaces.tracking import changes as tracking_changes
from workspaces.tracking import purging as tracking_purging
from workspaces.tracking.changes import (
    LONGEST_EXPERIMENT_TAG,
    LONGEST_RUN_TAG,
    tag_check,
    wrong_if,
)
from workspaces.tracking.store.opening import store_id
from workspaces.tracking.values import NOTE, Experiment

LONGEST_NOTE = 20_000  # MLflow's limit of an experiment's tag
MOST_AT_ONCE = 200  # runs of one request


# --- stars ---------------------------------------------------------------------------------------


def starred_ids(user: Any) -> list[str]:
    """Ids of the experiments that somebody starred, the last first; they may be gone by now."""
    rows = Star.objects.filter(user=user, store=store_id()).order_by("-pk")
    return list(rows.values_list("experiment_id", flat=True))


def star_set(*, experiment_id: str, user: Any) -> None:
    """Stars an experiment; once is enough. Raises: NotFound, Unavailable."""
    tracking.experiment_get(experiment_id)
    Star.objects.get_or_create(user=user, store=store_id(), experiment_id=experiment_id)


def star_remove(*, experiment_id: str, user: Any) -> None:
    """Takes the star away, if there is one."""
    if "\x00" not in experiment_id:
        Star.objects.filter(user=user, store=store_id(), experiment_id=experiment_id).delete()


# --- experiments ---------------------------------------------------------------------------------


def experiment_update(
    *,
    experiment_id: str,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    user: Any,
) -> Experiment:
    """Changes the description and replaces the tags; None leaves them as they are.

    Raises:
        Invalid: on "description" and "tags", every violation at once.
        Conflict: the experiment is archived.
        NotFound, Unavailable.
    """
    found = tracking.experiment_get(experiment_id)
    wrong_if(
        description=_note_wrong(description),
        tags=[text for key, value in (tags or {}).items() for text in _tag_wrong(key, value)],
    )
    if found.deleted:
        raise Conflict(_("The experiment is archived. Restore it before you change it."))
    if description is not None and description != found.description:
        tracking_changes.experiment_tag_set(experiment_id, NOTE, description)
    if tags is not None:
        _tags_replace(found, tags)
    if description is not None or tags is not None:
        _noted("experiment.changed", found, _("Experiment “%(name)s” was described."), user)
    return tracking.experiment_get(experiment_id)


def _tags_replace(found: Experiment, tags: Mapping[str, str]) -> None:
    for key in found.own_tags:
        if key not in tags:
            tracking_changes.experiment_tag_remove(found.id, key)
    for key, value in tags.items():
        if found.tags.get(key) != value:
            tracking_changes.experiment_tag_set(found.id, key, value)


def _note_wrong(text: str | None) -> list[str]:
    return [] if text is None else tag_check("note", text, LONGEST_NOTE)


def _tag_wrong(key: str, value: str) -> list[str]:
    shown = key.encode(errors="replace").decode()[:60]
    return [f"{shown}: {text}" for text in tag_check(key, value, LONGEST_EXPERIMENT_TAG)]


def experiment_archive(*, experiment_id: str, user: Any) -> None:
    """Archives an experiment with its runs: MLflow's delete, which can be undone.

    Raises:
        Conflict: it is archived already. NotFound, Unavailable.
    """
    found = tracking.experiment_get(experiment_id)
    if found.deleted:
        raise Conflict(_("The experiment is archived already."))
    tracking_changes.experiment_archive(experiment_id)
    _noted("experiment.archived", found, _("Experiment “%(name)s” was archived."), user)


def experiment_restore(*, experiment_id: str, user: Any) -> None:
    """Brings back an archived experiment with its runs.

    Raises:
        Conflict: it is not archived. NotFound, Unavailable.
    """
    found = tracking.experiment_get(experiment_id)
    if not found.deleted:
        raise Conflict(_("The experiment is not archived."))
    tracking_changes.experiment_restore(experiment_id)
    _noted("experiment.restored", found, _("Experiment “%(name)s” was restored."), user)


def _noted(kind: str, found: Experiment, sentence: str, user: Any) -> None:
    event_record(
        kind=kind,
        subject_type="experiment",
        subject=found.id,
        message=sentence % {"name": found.name},
        actor=user,
    )


# --- runs ----------------------------------------------------------------------------------------


def run_ids_read(values: Iterable[str]) -> list[str]:
    """Ids of a request, each once.

    Raises:
        Invalid: on "run_ids": none, too many, or one that no run can have.
    """
    ids = list(dict.fromkeys(values))
    if not ids:
        raise _wrong_ids(_("Tick at least one run."))
    if len(ids) > MOST_AT_ONCE:
        raise _wrong_ids(_("At most %(limit)s runs at once.") % {"limit": MOST_AT_ONCE})
    for one in ids:
        if not (one.isascii() and one.replace("-", "").replace("_", "").isalnum()):
            raise _wrong_ids(_("This is not the id of a run."))
    return ids


def _wrong_ids(text: str) -> Invalid:
    return Invalid(text, fields={"run_ids": [text]})


def runs_archive(*, run_ids: Sequence[str], user: Any) -> int:
    """Archives runs: MLflow's delete, which can be undone. Returns: how many there were."""
    count = tracking_changes.runs_archive(run_ids_read(run_ids))
    _runs_noted("runs.archived", run_ids, _("%(count)s runs were archived."), count, user)
    return count


def runs_restore(*, run_ids: Sequence[str], user: Any) -> int:
    """Brings back archived runs. Returns: how many there were."""
    count = tracking_changes.runs_restore(run_ids_read(run_ids))
    _runs_noted("runs.restored", run_ids, _("%(count)s runs were restored."), count, user)
    return count


def runs_purge(*, run_ids: Sequence[str], user: Any) -> int:
    """Deletes archived runs with their files for good. Returns: how many there were.

    Raises:
        Conflict: one is not archived, or a model version was registered from it, or the tracking
            server is remote; nothing is deleted then. Invalid on "run_ids"; Unavailable.
    """
    count = tracking_purging.runs_purge(run_ids_read(run_ids))
    _runs_noted("runs.deleted", run_ids, _("%(count)s runs were deleted for good."), count, user)
    return count


def runs_tag(*, run_ids: Sequence[str], key: str, value: str) -> int:
    """Sets a tag on runs. Returns: how many there were.

    Raises:
        Invalid: on "run_ids", "key" or "value".
    """
    wrong_if(key=tag_check(key, value, LONGEST_RUN_TAG))
    return tracking_changes.runs_tag(run_ids_read(run_ids), key, value)


def runs_untag(*, run_ids: Sequence[str], key: str) -> int:
    """Takes a tag off runs. Returns: how many had it."""
    wrong_if(key=tag_check(key, "", LONGEST_RUN_TAG))
    return tracking_changes.runs_untag(run_ids_read(run_ids), key)


def _runs_noted(kind: str, run_ids: Sequence[str], sentence: str, count: int, user: Any) -> None:
    event_record(
        kind=kind,
        subject_type="runs",
        subject=run_ids[0],
        message=sentence % {"count": count},
        actor=user,
        data={"run_ids": list(run_ids)},
    )
