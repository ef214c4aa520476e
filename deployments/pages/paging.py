"""Pages of operations: newest first, by moment and id."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from deployments.models import Operation
from workspaces.paging import Rows, page_cut, token_open, token_strange


def operations_after(rows: QuerySet[Operation], token: str, size: int) -> Rows[Operation]:
    """The operations that follow a token, newest first.

    Raises:
        Invalid: the token is none of this list.
    """
    ordered = rows.order_by("-created_at", "-id")
    if token:
        moment, key = _moment_and_key(token_open(token))
        ordered = ordered.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=key))
    found = list(ordered[: size + 1])
    return page_cut(found, size, lambda row: f"{row.created_at.isoformat()}|{row.pk}")


def _moment_and_key(text: str) -> tuple[datetime, UUID]:
    moment, _bar, key = text.partition("|")
    try:
        found, row = datetime.fromisoformat(moment), UUID(key)
        aware = found if timezone.is_aware(found) else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC), row
    except (ValueError, OverflowError):
        raise token_strange() from None
