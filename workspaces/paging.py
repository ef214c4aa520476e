"""Page tokens: the place in a list after which the next page starts, stable while rows come and go."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet
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
        ordered = ordered.filter(name__gt=token_open(token))
    return page_cut(list(ordered[: size + 1]), size, lambda row: str(row.name))  # type: ignore[attr-defined]


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
