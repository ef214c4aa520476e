"""Tags and filters of every template (a builtin library, no `{% load %}` needed)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django import template
from django.template import Context
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from lucide import IconDoesNotExist, _render_icon

from deployments.choices import PILLS, OperationStatus, ServiceState, StepState

register = template.Library()

MISSING = "–"
SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86_400
BYTE_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
LABELS: dict[str, Any] = {
    str(value): label
    for words in (StepState, OperationStatus, ServiceState)
    for value, label in words.choices
}


class Pill(NamedTuple):
    """How a state is shown: word, colour token of static/css/tokens.css, lucide icon."""

    label: str
    colour: str
    icon: str


@lru_cache(maxsize=512)
def _icon(name: str, size: int) -> SafeString:
    try:
        svg = _render_icon(name, size, **{"class": "icon", "aria-hidden": "true"})
    except IconDoesNotExist:
        svg = _render_icon("circle-question-mark", size, **{"class": "icon", "aria-hidden": "true"})
    return SafeString(mark_safe(svg))  # noqa: S308 - from the lucide package; name and size are not in it


@register.simple_tag
def icon(name: str, size: int | str = 16) -> SafeString:
    """Inline SVG of a lucide icon, hidden from screen readers; unknown: a question mark."""
    return _icon(str(name), int(size))


@register.simple_tag
def pill(state: object) -> Pill:
    """`{% pill state as p %}`: label, colour, icon of a state word; unknown ones are neutral."""
    word = str(state)
    colour, name = PILLS.get(word, ("neutral", "circle-dashed"))
    return Pill(str(LABELS.get(word, word)), colour, name)


# --- time
def as_datetime(value: object) -> datetime | None:
    """A moment from a datetime, seconds or milliseconds since 1970, or ISO text; else None."""
    if isinstance(value, datetime):
        return value if timezone.is_aware(value) else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, tz=UTC)
        if isinstance(value, str) and value:
            return as_datetime(datetime.fromisoformat(value))
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _ago(seconds: int) -> str:
    if seconds < 10:
        return _("just now")
    if seconds < MINUTE:
        return _("%(n)s seconds ago") % {"n": seconds}
    if seconds < HOUR:
        count = seconds // MINUTE
        return ngettext("%(n)s minute ago", "%(n)s minutes ago", count) % {"n": count}
    if seconds < DAY:
        count = seconds // HOUR
        return ngettext("%(n)s hour ago", "%(n)s hours ago", count) % {"n": count}
    count = seconds // DAY
    return ngettext("%(n)s day ago", "%(n)s days ago", count) % {"n": count}


@register.filter
def relative(value: object) -> str:
    """ "3 minutes ago"; the date when older than 30 days or in the future; "–" for nothing."""
    moment = as_datetime(value)
    if moment is None:
        return MISSING
    seconds = int((timezone.now() - moment).total_seconds())
    if seconds < -MINUTE or seconds > 30 * DAY:
        return _day(timezone.localtime(moment).date(), get_language() or "")
    return _ago(max(seconds, 0))


@register.filter
def absolute(value: object) -> str:
    """Date and time with the zone, for titles; empty for nothing."""
    moment = as_datetime(value)
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return f"{_day(local.date(), get_language() or '')} {local:%H:%M:%S %Z}"


@lru_cache(maxsize=512)
def _day(day: date, language: str) -> str:
    """A date in this language; a list has a hundred times of few days."""
    return str(formats.date_format(day, "DATE_FORMAT"))


@register.filter
def iso(value: object) -> str:
    """ISO 8601 for `<time datetime>`; empty for nothing."""
    moment = as_datetime(value)
    return moment.isoformat(timespec="milliseconds") if moment else ""


@register.filter
def time_tag(value: object) -> SafeString:
    """`<time>` with `relative`, the absolute time on hover; a dash for nothing."""
    moment = as_datetime(value)
    if moment is None:
        return format_html('<span class="quiet">{}</span>', MISSING)
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        iso(moment),
        absolute(moment),
        relative(moment),
    )


@register.filter
def duration(value: object) -> str:
    """Timedelta or seconds -> "412 ms", "4.2 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        return MISSING
    if value < SECOND:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{formats.number_format(round(value, 1))} s"
    whole = int(value)
    for size, big, part, small in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {big} {rest} {small}" if rest else f"{whole // size} {big}"
    if whole >= MINUTE:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole} s"


@register.simple_tag
def elapsed(start: object, end: object = None) -> str:
    """`duration` from start to end, or to now while there is no end."""
    began = as_datetime(start)
    if began is None:
        return MISSING
    return duration((as_datetime(end) or timezone.now()) - began)


# --- numbers and text
@register.filter
def bytes_text(value: object) -> str:
    """1536 -> "1.5 KB" (1024 to the step); "–" for nothing."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return MISSING
    size = float(value)
    for unit in BYTE_UNITS:
        if abs(size) < 1024 or unit == BYTE_UNITS[-1]:
            digits = 0 if unit == "B" or abs(size) >= 100 else 1
            return f"{formats.number_format(round(size, digits), digits)} {unit}"
        size /= 1024
    return MISSING


@register.filter
def number(value: object, unit: str = "") -> str:
    """A number by locale with at most four significant decimals, and its unit; "–" for nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING if value in (None, "") else str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if isinstance(value, int) or (abs(value) < 1e15 and value == int(value)):
        text = formats.number_format(int(value), use_l10n=True, force_grouping=True)
    elif 1e-4 <= abs(value) < 1e7:
        text = formats.number_format(f"{value:.5g}") if abs(value) < 1e4 else f"{value:,.1f}"
    else:
        text = f"{value:.4g}"
    return f"{text} {unit}" if unit else text


@register.filter
def unlocalized(value: object) -> str:
    """A number as programs write it, all its digits and no separators."""
    return str(value)


@register.filter
def json_pretty(value: object) -> str:
    """JSON with two spaces; what JSON cannot hold becomes text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def json_text(value: object) -> str:
    """JSON for an attribute: short, and escaped by the template like any text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


@register.filter
def middle(value: object, length: int = 16) -> str:
    """Shorten in the middle: "3f2a91c4…88d0"."""
    text = str(value)
    if len(text) <= length:
        return text
    tail = max((length - 1) // 3, 1)
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: object) -> str:
    """This page's query string with values replaced; an empty value removes the key."""
    parameters = context["request"].GET.copy()
    for key, value in changes.items():
        if value in (None, ""):
            parameters.pop(key, None)
        else:
            parameters[key] = str(value)
    return f"?{parameters.urlencode()}"


@register.simple_tag(takes_context=True)
def sort_query(context: Context, name: str) -> str:
    """Query string that sorts by `name`, or the other way round when it is sorted by it already."""
    request = context["request"]
    wanted = f"-{name}" if request.GET.get("sort") == name else name
    return query(context, sort=wanted, page="", page_token="")


@register.simple_tag(takes_context=True)
def sort_state(context: Context, name: str) -> str:
    """ARIA word of how the list is sorted by `name`: ascending, descending or none."""
    current = context["request"].GET.get("sort", "")
    return {name: "ascending", f"-{name}": "descending"}.get(current, "none")


@register.filter
def get(mapping: Mapping[str, Any] | None, key: str) -> Any:
    """Value of a key that a template cannot spell; None when absent."""
    return mapping.get(key) if mapping else None


# --- pictures
@register.simple_tag
def sparkline(values: Iterable[float | None], width: int = 96, height: int = 24) -> SafeString:
    """Inline SVG line of the numbers, oldest first; None breaks it, nothing draws nothing."""
    points = list(values or [])
    known = [value for value in points if isinstance(value, int | float)]
    if len(known) < 2:
        return SafeString("")
    low, high = min(known), max(known)
    step = (width - 2) / max(len(points) - 1, 1)
    scale = (height - 4) / ((high - low) or 1)
    path, pen = [], "M"
    for index, value in enumerate(points):
        if not isinstance(value, int | float):
            pen = "M"
            continue
        y = height - 2 - (value - low) * scale if high > low else height / 2
        path.append(f"{pen}{1 + index * step:.1f} {y:.1f}")
        pen = "L"
    return format_html(
        '<svg class="sparkline" width="{}" height="{}" viewBox="0 0 {} {}" aria-hidden="true">'
        '<path d="{}"/></svg>',
        width,
        height,
        width,
        height,
        "".join(path),
    )
