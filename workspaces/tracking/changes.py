"""Changes of experiments and runs: tags, notes, archiving. Beside `workspaces.tracking`.

MLflow's own calls and rules; archiving is what MLflow calls deleting, and can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from workspaces.errors import Invalid, NotFound
from workspaces.tracking.store.opening import mlflow_errors, stores

LONGEST_KEY = 250  # MLflow's own limits
LONGEST_RUN_TAG = 8_000
LONGEST_EXPERIMENT_TAG = 20_000  # kept below by notes as well: they are a tag


def tag_check(key: str, value: str, longest: int) -> list[str]:
    """Every sentence about a tag that MLflow would refuse or cut."""
    wrong = []
    if not key or len(key) > LONGEST_KEY:
        limit = {"limit": LONGEST_KEY}
        wrong.append(_("A tag's key has 1 to %(limit)s characters.") % limit)
    elif key.startswith("mlflow."):
        wrong.append(_("Keys that start with “mlflow.” are MLflow's own."))
    elif not _storable(key) or any(not (c.isalnum() or c in "_-. :/") for c in key):
        wrong.append(_("A tag's key may have letters, digits, spaces and _ - . : / only."))
    elif any(part in {"", ".", ".."} for part in key.split("/")):
        wrong.append(_("A tag's key may not look like a path with empty or dotted parts."))
    if not _storable(value):
        wrong.append(_("This is not text that can be kept."))
    elif len(value) > longest:
        words = {"limit": longest, "length": len(value)}
        wrong.append(_("At most %(limit)s characters, not %(length)s.") % words)
    return wrong


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry
        return False
    return "\x00" not in text


def experiment_tag_set(experiment_id: str, key: str, value: str) -> None:
    """Raises: NotFound, Invalid (an archived experiment takes no tags), Unavailable."""
    store, _registry = stores()
    from mlflow.entities import ExperimentTag

    with mlflow_errors(field="tags", subject=_("This experiment")):
        store.set_experiment_tag(experiment_id, ExperimentTag(key, value))


def experiment_tag_remove(experiment_id: str, key: str) -> None:
    """Nothing happens when there is no such tag. Raises: Invalid, Unavailable."""
    store, _registry = stores()
    try:
        with mlflow_errors(field="tags", subject=_("This tag")):
            store.delete_experiment_tag(experiment_id, key)
    except NotFound:
        return


def experiment_archive(experiment_id: str) -> None:
    """Archives an experiment with its runs. Raises: NotFound, Unavailable."""
    store, _registry = stores()
    with mlflow_errors(subject=_("This experiment")):
        store.delete_experiment(experiment_id)


def experiment_restore(experiment_id: str) -> None:
    """Brings back an archived experiment with its runs. Raises: NotFound, Unavailable."""
    store, _registry = stores()
    with mlflow_errors(subject=_("This archived experiment")):
        store.restore_experiment(experiment_id)


def runs_archive(run_ids: Sequence[str]) -> int:
    """Archives runs; those that do not exist are left out. Returns: how many there were."""
    store, _registry = stores()
    return _each(run_ids, store.delete_run)


def runs_restore(run_ids: Sequence[str]) -> int:
    """Brings back archived runs. Returns: how many there were."""
    store, _registry = stores()
    return _each(run_ids, store.restore_run)


def runs_tag(run_ids: Sequence[str], key: str, value: str) -> int:
    """Sets a tag on runs. Returns: how many there were. Raises: Invalid on "tags"."""
    store, _registry = stores()
    from mlflow.entities import RunTag

    return _each(run_ids, lambda run_id: store.set_tag(run_id, RunTag(key, value)))


def runs_untag(run_ids: Sequence[str], key: str) -> int:
    """Takes a tag off runs. Returns: how many had it."""
    store, _registry = stores()
    return _each(run_ids, lambda run_id: store.delete_tag(run_id, key))


def _each(run_ids: Sequence[str], change: Callable[[str], Any]) -> int:
    changed = 0
    for run_id in dict.fromkeys(run_ids):
        try:
            with mlflow_errors(field="tags", subject=_("This run")):
                change(run_id)
        except NotFound:
            continue
        changed += 1
    return changed


def wrong_if(**fields: list[str]) -> None:
    """Raise one Invalid with every violation; nothing when there are none."""
    wrong = {name: texts for name, texts in fields.items() if texts}
    if wrong:
        raise Invalid(" ".join(text for texts in wrong.values() for text in texts), fields=wrong)
