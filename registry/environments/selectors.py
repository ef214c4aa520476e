"""Reads of environments for lists and pages."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from registry.models import Environment, EnvironmentLock, EnvironmentVersion
from workspaces.errors import NotFound
from workspaces.paging import Rows, rows_by_id, rows_by_name

KINDS = ("custom", "curated", "archived")


@dataclass(frozen=True)
class EnvironmentRow:
    """An environment of a list; `latest` is its newest version that is not archived, if any."""

    environment: Environment
    latest: EnvironmentVersion | None
    count: int


@dataclass(frozen=True)
class EnvironmentPage:
    items: list[EnvironmentRow]
    next_token: str


def environments_page(
    search: str = "", kind: str = "", token: str = "", size: int = 50
) -> EnvironmentPage:
    """Environments by name, in three queries whose work does not grow with what is not shown.

    Args:
        search: part of the name, in any case.
        kind: "custom", "curated", or "archived" for those with no other version; "" is the first
            two together.
    Raises:
        Invalid: the token is none of this list.
    """
    live = EnvironmentVersion.objects.filter(environment=OuterRef("pk"), archived=False)
    rows = Environment.objects.filter(~Exists(live) if kind == "archived" else Exists(live))
    if kind in {"custom", "curated"}:
        rows = rows.filter(curated=kind == "curated")
    if text := search.strip().replace("\x00", ""):
        rows = rows.filter(name__icontains=text)
    page: Rows[Environment] = rows_by_name(rows, token, size)
    facts = {
        pk: (latest, count)
        for pk, latest, count in EnvironmentVersion.objects.filter(environment__in=page.items)
        .order_by()
        .values_list("environment")
        .annotate(newest=Max("pk", filter=Q(archived=False)), number=Count("pk"))
    }
    ids = [latest for latest, _count in facts.values() if latest]
    latest = EnvironmentVersion.objects.select_related("created_by").in_bulk(ids)
    items = []
    for row in page.items:
        newest, count = facts.get(row.pk, (None, 0))
        items.append(EnvironmentRow(row, latest.get(newest), count))
    return EnvironmentPage(items, page.next_token)


def environment_find(name: str) -> Environment:
    """Raises: NotFound."""
    row = None if "\x00" in name else Environment.objects.filter(name=name).first()
    if row is None:
        raise NotFound(_("There is no environment named %(name)s.") % {"name": name})
    return row


def versions_of(environment: Environment) -> QuerySet[EnvironmentVersion]:
    """Its versions, the newest first, with who made them."""
    return environment.versions.select_related("environment", "created_by").order_by("-pk")


def versions_page(
    environment: Environment, token: str = "", size: int = 50
) -> Rows[EnvironmentVersion]:
    """A page of them. Raises: Invalid: the token is none of this list."""
    return rows_by_id(versions_of(environment), token, size)


def version_find(name: str, version: str = "") -> EnvironmentVersion:
    """One version; "" is the newest that is not archived, else the newest. Raises: NotFound."""
    rows = versions_of(environment_find(name))
    if version:
        row = None if "\x00" in version else rows.filter(version=version).first()
    else:
        row = rows.filter(archived=False).first() or rows.first()
    if row is None:
        text = _("There is no version %(version)s of the environment %(name)s.")
        raise NotFound(text % {"version": version, "name": name})
    return row


def lock_is_kept(digest: str) -> bool:
    """Whether a version that is not archived came to this lock. One query."""
    return EnvironmentLock.objects.filter(sha256=digest, version__archived=False).exists()
