"""Views of runs that were saved under a name: one's own, and those that others share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from studio.experiments.models import SavedView
from workspaces import tracking
from workspaces.errors import Conflict, NotFound
from workspaces.tracking.changes import wrong_if
from workspaces.tracking.store.opening import store_id

KEPT = ("filter", "sort", "size", "density", "layout", "stage", "column")
LONGEST_NAME = 100
LONGEST_QUERY = 20_000
MOST_FIELDS = 2_000  # more than Django takes of an address
MOST_VIEWS = 100  # of a person and an experiment
LARGEST_ID = 2**63 - 1


def query_clean(query: str) -> str:
    """The part of a query string that makes a view: not its page, nothing unknown."""
    pairs = parse_qsl(query.removeprefix("?"), max_num_fields=MOST_FIELDS)
    return urlencode([(key, value) for key, value in pairs if key in KEPT and value])


def views_of(user: Any, experiment_id: str) -> QuerySet[SavedView]:
    """Views of an experiment that this person may open: one's own and the shared ones, by name."""
    if "\x00" in experiment_id:  # PostgreSQL refuses to look for it
        return SavedView.objects.none()
    mine = Q(owner=user) | Q(shared=True)
    rows = SavedView.objects.filter(mine, store=store_id(), experiment_id=experiment_id)
    return rows.select_related("owner")


def view_get(user: Any, view_id: int) -> SavedView:
    """Raises: NotFound, for a view of somebody else that is not shared as well."""
    row = None
    if 0 < view_id <= LARGEST_ID:
        mine = Q(owner=user) | Q(shared=True)
        row = SavedView.objects.filter(mine, pk=view_id, store=store_id()).first()
    if row is None:
        raise NotFound(_("There is no such saved view."))
    return row


def view_own(user: Any, view_id: int) -> SavedView:
    """Raises: NotFound; Conflict when it belongs to somebody else."""
    row = view_get(user, view_id)
    if row.owner_id != user.pk:
        raise Conflict(_("Only the owner changes or deletes a view. Save a copy under a name."))
    return row


def view_create(
    *, user: Any, experiment_id: str, name: str, query: str = "", shared: bool = False
) -> SavedView:
    """Saves a view under a new name.

    Raises:
        Invalid: on "name" and "query". Conflict: the name is taken. NotFound, Unavailable.
    """
    _check(name, query)
    tracking.experiment_get(experiment_id)
    if views_of(user, experiment_id).filter(owner=user).count() >= MOST_VIEWS:
        raise Conflict(_("At most %(limit)s views are kept. Delete one.") % {"limit": MOST_VIEWS})
    with _name_free():
        return SavedView.objects.create(
            owner=user,
            store=store_id(),
            experiment_id=experiment_id,
            name=name.strip(),
            query=query_clean(query),
            shared=shared,
        )


def view_update(
    *,
    user: Any,
    view_id: int,
    name: str | None = None,
    query: str | None = None,
    shared: bool | None = None,
) -> SavedView:
    """Changes a view of one's own; None leaves as it is.

    Raises:
        Invalid: on "name" and "query". Conflict: the name is taken, or it is not one's own.
        NotFound.
    """
    row = view_own(user, view_id)
    _check(name if name is not None else row.name, query or "")
    row.name = row.name if name is None else name.strip()
    row.query = row.query if query is None else query_clean(query)
    row.shared = row.shared if shared is None else shared
    with _name_free():
        row.save(update_fields=["name", "query", "shared", "updated_at"])
    return row


def view_delete(*, user: Any, view_id: int) -> None:
    """Raises: NotFound; Conflict when it belongs to somebody else."""
    view_own(user, view_id).delete()


def _check(name: str, query: str) -> None:
    wrong: dict[str, list[str]] = {"name": [], "query": []}
    if not name.strip() or len(name.strip()) > LONGEST_NAME or not name.strip().isprintable():
        limit = {"limit": LONGEST_NAME}
        wrong["name"].append(_("A name has 1 to %(limit)s printable characters.") % limit)
    if len(query) > LONGEST_QUERY or "\x00" in query:
        wrong["query"].append(_("This view is too large to be saved."))
    else:
        try:
            query_clean(query).encode()
        except ValueError:
            wrong["query"].append(_("This is not a query string."))
    wrong_if(**wrong)


@contextmanager
def _name_free() -> Iterator[None]:
    """A transaction in which a name that is taken becomes a Conflict."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        text = _("You have a view of this name already.")
        raise Conflict(text, fields={"name": [text]}) from error
