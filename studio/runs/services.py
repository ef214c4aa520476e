"""Changes of a run: its tags and its notes. MLflow keeps them; the studio keeps who did it."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _

from workspaces import tracking
from workspaces.errors import Conflict, Invalid
from workspaces.events import event_record
from workspaces.tracking.run_edits import run_note_set, run_tag_delete, run_tag_set
from workspaces.tracking.values import Run

TAG_KEY = re.compile(r"[\w\-. :/]{1,250}")
LONGEST_VALUE = 8_000  # MLflow's own
LONGEST_NOTES = 8_000
OWN = "mlflow."


def run_set_tag(*, run_id: str, key: str, value: str, user: Any) -> Run:
    """Set one tag of a run.

    Returns: the run as it is now.
    Raises:
        Invalid: on "key" and "value", all violations at once.
        Conflict: the run is deleted. NotFound, Unavailable.
    """
    _changeable(run_id)
    fields = {}
    if sentence := _wrong_key(key):
        fields["key"] = [sentence]
    if sentence := _wrong_text(value, LONGEST_VALUE):
        fields["value"] = [sentence]
    if fields:
        raise Invalid(" ".join(text for texts in fields.values() for text in texts), fields=fields)
    run_tag_set(run_id, key, value)
    _record(run_id, _("Tag “%(key)s” was set.") % {"key": key}, user)
    return tracking.run_get(run_id)


def run_remove_tag(*, run_id: str, key: str, user: Any) -> Run:
    """Remove one tag of a run; succeeds when there is none.

    Raises:
        Invalid: on "key": it is one of MLflow's own.
        Conflict: the run is deleted. NotFound, Unavailable.
    """
    _changeable(run_id)
    if key.startswith(OWN):
        sentence = _wrong_key(key)
        raise Invalid(sentence, fields={"key": [sentence]})
    run_tag_delete(run_id, key)
    _record(run_id, _("Tag “%(key)s” was removed.") % {"key": key}, user)
    return tracking.run_get(run_id)


def run_set_notes(*, run_id: str, text: str, user: Any) -> Run:
    """Replace the notes of a run, Markdown; "" removes them.

    Raises:
        Invalid: on "notes". Conflict: the run is deleted. NotFound, Unavailable.
    """
    _changeable(run_id)
    if sentence := _wrong_text(text, LONGEST_NOTES):
        raise Invalid(sentence, fields={"notes": [sentence]})
    run_note_set(run_id, text)
    _record(run_id, _("The notes were changed."), user)
    return tracking.run_get(run_id)


def _changeable(run_id: str) -> None:
    if tracking.run_get(run_id).deleted:
        raise Conflict(_("This run is deleted. Restore it before changing it."))


def _wrong_key(key: str) -> str:
    if not TAG_KEY.fullmatch(key) or any(part in {"", ".", ".."} for part in key.split("/")):
        return _("A key has 1 to 250 letters, digits, spaces and _ - . : / only.")
    if key.startswith(OWN):
        return _("The tag key “%(key)s” is MLflow's own.") % {"key": key}
    return ""


def _wrong_text(text: str, limit: int) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return _("This is not text that can be kept.")
    if "\x00" in text:
        return _("This is not text that can be kept.")
    if len(text) > limit:
        words = {"limit": limit, "length": len(text)}
        return _("At most %(limit)s characters, not %(length)s.") % words
    return ""


def _record(run_id: str, message: str, user: Any) -> None:
    event_record(
        kind="run.changed", subject_type="run", subject=run_id, message=message, actor=user
    )
