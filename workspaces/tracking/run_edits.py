"""Changes of a run that people make in the studio: its tags and its notes, kept by MLflow."""

from __future__ import annotations

from django.utils.translation import gettext as _

from workspaces.errors import Invalid, NotFound
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import NOTE


def run_tag_set(run_id: str, key: str, value: str) -> None:
    """Set one tag. Raises: NotFound; Invalid on "key" or a deleted run; Unavailable."""
    store, _registry = stores()
    from mlflow.entities import RunTag

    with mlflow_errors(field="key", subject=_("This run")):
        store.set_tag(run_id, RunTag(key, value))


def run_tag_delete(run_id: str, key: str) -> None:
    """Remove one tag; succeeds when there is none. Raises: NotFound, Invalid, Unavailable."""
    store, _registry = stores()
    try:
        with mlflow_errors(field="key", subject=_("This tag")):
            store.delete_tag(run_id, key)
    except NotFound:
        return  # gone already


def run_note_set(run_id: str, text: str) -> None:
    """Replace the notes of a run; "" removes them. Raises: NotFound, Invalid, Unavailable."""
    if text:
        try:
            run_tag_set(run_id, NOTE, text)
        except Invalid as problem:
            raise Invalid(problem.message, fields={"notes": [problem.message]}) from problem
        return
    run_tag_delete(run_id, NOTE)
