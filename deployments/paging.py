"""Paging by cursor: stable while rows are added or go away."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.models import Operation, Service
from workspaces.errors import Invalid

Row = TypeVar("Row", bound=Model)
MAX_LIMIT = 200


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page; `next_token` is "" on the last one."""

    items: list[Row]
    next_token: str


def operations_after(rows: QuerySet[Operation], token: str, size: int) -> Page[Operation]:
    """The operations that follow a token, newest first.

    Raises:
        Invalid: the token is none of this list.
    """
    ordered = rows.order_by("-created_at", "-id")
    if token:
        moment, key = _moment_and_key(_open(token))
        ordered = ordered.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=key))
    items = list(ordered[: size + 1])
    if len(items) <= size:
        return Page(items, "")
    last = items[size - 1]
    return Page(items[:size], _close(f"{last.created_at.isoformat()}|{last.pk}"))


def services_after(rows: QuerySet[Service], token: str, size: int) -> Page[Service]:
    """The services that follow a token, by name.

    Raises:
        Invalid: the token is none of this list.
    """
    ordered = rows.order_by("name")
    if token:
        ordered = ordered.filter(name__gt=_open(token))
    items = list(ordered[: size + 1])
    if len(items) <= size:
        return Page(items, "")
    return Page(items[:size], _close(items[size - 1].name))


def limit_read(text: str | None, default: int = 50) -> int:
    """`?limit=`, from 1 to 200.

    Raises:
        Invalid: on field `limit`.
    """
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT):
        message = _("must be a number from 1 to %(most)s.") % {"most": MAX_LIMIT}
        raise Invalid(f"limit {message}", fields={"limit": [message]})
    return int(text)


def _close(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _open(token: str) -> str:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        opened = text.decode()
    except (ValueError, binascii.Error):
        raise _strange() from None
    if "\x00" in opened:
        raise _strange()
    return opened


def _moment_and_key(text: str) -> tuple[datetime, UUID]:
    moment, _bar, key = text.partition("|")
    try:
        found, row = datetime.fromisoformat(moment), UUID(key)
        aware = found if timezone.is_aware(found) else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC), row
    except (ValueError, OverflowError):
        raise _strange() from None


def _strange() -> Invalid:
    message = _("This page token is not one of this list. Start again without it.")
    return Invalid(message, fields={"page_token": [message]})
