"""Page tokens: the place in a list where the next page starts; stable while rows come and go."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from workspaces.errors import Invalid

Row = TypeVar("Row", bound=Model)
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """The rows of one page; `next_token` is "" on the last one."""

    items: list[Row]
    next_token: str


def rows_by_name(rows: QuerySet[Row], token: str, size: int) -> Rows[Row]:
    """The rows whose unique `name` follows a token's.

    Raises:
        Invalid: the token is none of this list.
    """
    ordered = rows.order_by("name")
    if token:
        kind, _bar, name = token_open(token).partition("|")
        if kind != "name":
            raise token_strange()
        ordered = ordered.filter(name__gt=name)
    found = list(ordered[: size + 1])
    return page_cut(found, size, lambda row: f"name|{row.name}")  # type: ignore[attr-defined]


def rows_by_name_and_id(rows: QuerySet[Row], token: str, size: int) -> Rows[Row]:
    """The rows behind a token's, by a `name` that several may have, then by age.

    Raises:
        Invalid: the token is none of this list.
    """
    ordered = rows.order_by("name", "pk")
    if token:
        key, _bar, name = token_open(token).partition("|")
        if not (key.isascii() and key.isdigit() and len(key) < 20 and int(key) <= LARGEST_ID):
            raise token_strange()
        ordered = ordered.filter(Q(name__gt=name) | Q(name=name, pk__gt=int(key)))
    found = list(ordered[: size + 1])
    return page_cut(found, size, lambda row: f"{row.pk}|{row.name}")  # type: ignore[attr-defined]


def rows_by_id(rows: QuerySet[Row], token: str, size: int) -> Rows[Row]:
    """The rows that are older than a token's, newest first.

    Raises:
        Invalid: the token is none of this list.
    """
    ordered = rows.order_by("-pk")
    if token:
        text = token_open(token)
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_ID):
            raise token_strange()
        ordered = ordered.filter(pk__lt=int(text))
    return page_cut(list(ordered[: size + 1]), size, lambda row: str(row.pk))


def page_cut(found: list[Row], size: int, place: Callable[[Row], str]) -> Rows[Row]:
    """A page of `size` rows from one row more, whose presence tells that there is a next page."""
    if len(found) <= size:
        return Rows(found, "")
    return Rows(found[:size], token_close(place(found[size - 1])))


def token_close(text: str) -> str:
    """A page token that stands for a place in a list."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def token_open(token: str) -> str:
    """The inverse of `token_close`.

    Raises:
        Invalid: nobody made this token.
    """
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        opened = text.decode()
    except (ValueError, binascii.Error):
        raise token_strange() from None
    if "\x00" in opened:
        raise token_strange()
    return opened


def token_strange() -> Invalid:
    message = _("This page token is not one of this list. Start again without it.")
    return Invalid(message, fields={"page_token": [message]})
