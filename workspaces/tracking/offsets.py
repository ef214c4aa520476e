"""MLflow's page tokens: an offset in base64, the same in its stores and in ours."""

from __future__ import annotations

import base64
import json
from typing import TypeVar

from django.utils.translation import gettext as _

from workspaces.errors import Invalid
from workspaces.tracking.values import Page

T = TypeVar("T")
LARGEST_OFFSET = 2**31 - 1


def offset_read(token: str) -> int | None:
    """Where a page token starts; None when it is not MLflow's usual one."""
    if not token:
        return 0
    try:
        offset = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return offset if isinstance(offset, int) and 0 <= offset <= LARGEST_OFFSET else None


def offset_of(token: str) -> int:
    """Where a page token starts.

    Raises:
        Invalid: on "page_token".
    """
    offset = offset_read(token)
    if offset is None:
        text = _("This page of the list cannot be found. Start again at the first one.")
        raise Invalid(text, fields={"page_token": [text]})
    return offset


def token_of(offset: int) -> str:
    """MLflow's page token for an offset; empty for the first page."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode() if offset else ""


def page_of(found: list[T], offset: int, limit: int) -> Page[T]:
    """A page of `limit` items from one item more, whose presence tells that there is a next."""
    more = len(found) > limit
    return Page(tuple(found[:limit]), token_of(offset + limit) if more else "")
