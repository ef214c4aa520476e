"""Cells of the runs table as HTML.

Written in Python and not as templates: a page has a thousand of them, and they took most of its
time.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from studio.experiments.columns import Column
from studio.templatetags.studio import MISSING, duration, number, time_tag

SHOWN, TOLD = 80, 500  # characters of a text in its cell, and in its title
SPOKEN = 60  # characters of a run's name in the label of a control
NO_NUMBER = SafeString(f'<td class="num">{MISSING}</td>')
NOTHING = SafeString(f'<td class="clip" title=""><span class="quiet">{MISSING}</span></td>')


def cell_html(column: Column, value: Any) -> SafeString:
    """The `<td>` of a run's value in this column; see `columns.cell` for the value."""
    if column.kind == "metrics":
        return _metric(value)
    if column.kind == "attribute" and (draw := ATTRIBUTES.get(column.key)):
        return draw(value)
    return _text(value)


def shortened(text: str, most: int) -> str:
    """The text with at most so many characters, the last of them "…" when it was longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _metric(value: Any) -> SafeString:
    if value is None:
        return NO_NUMBER
    return _titled("num", str(value), number(value))


def _text(value: Any) -> SafeString:
    if value is None or value == "":
        return NOTHING
    text = str(value)
    return _titled("clip", shortened(text, TOLD), shortened(text, SHOWN))


def _titled(kind: str, title: str, text: str) -> SafeString:
    """A cell with a title; `format_html` would take three times as long."""
    return SafeString(f'<td class="{kind}" title="{html.escape(title)}">{html.escape(text)}</td>')


def _status(value: Any) -> SafeString:
    return _status_in(str(value), get_language() or "")


@lru_cache(maxsize=64)
def _status_in(status: str, language: str) -> SafeString:
    return render_to_string("studio/experiments/_status.html", {"status": status})


def _time(value: Any) -> SafeString:
    return format_html('<td class="when">{}</td>', time_tag(value))


def _duration(value: Any) -> SafeString:
    return format_html('<td class="num">{}</td>', duration(value))


def _commit(value: Any) -> SafeString:
    return format_html('<td class="mono">{}</td>', str(value or "")[:8])


def _id(value: Any) -> SafeString:
    return render_to_string("studio/experiments/_id.html", {"value": value})


ATTRIBUTES: dict[str, Callable[[Any], SafeString]] = {
    "status": _status,
    "start": _time,
    "ended": _time,
    "duration": _duration,
    "commit": _commit,
    "id": _id,
}
