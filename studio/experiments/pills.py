"""The filter of a list of runs as pills, and adding one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from studio.experiments.filters import Clause, clause_text, clauses_of
from workspaces.errors import Invalid

TIMES = ("start_time", "end_time", "created", "Created")


@dataclass(frozen=True)
class Pill:
    """One condition of the filter; `rest` is the filter without it."""

    label: str
    value: str
    rest: str


def pills_of(text: str) -> list[Pill]:
    """The conditions of a filter; a filter that is not understood here is one pill."""
    if not text.strip():
        return []
    clauses = clauses_of(text)
    if clauses is None:
        return [Pill(str(_("Filter")), text, "")]
    return [
        Pill(f"{one.kind}.{one.key}", f"{one.op} {shown(one)}".strip(), _without(text, clauses, at))
        for at, one in enumerate(clauses)
    ]


def _without(text: str, clauses: list[Clause], at: int) -> str:
    rest = [text[one.start : one.end] for number, one in enumerate(clauses) if number != at]
    return " AND ".join(rest)


def shown(clause: Clause) -> str:
    """The value for people: moments as dates."""
    if clause.kind == "attributes" and clause.key in TIMES:
        try:
            moment = datetime.fromtimestamp(float(clause.value) / 1000, tz=UTC)
        except (ValueError, OverflowError, OSError):
            return clause.value
        return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
    return clause.value


def filter_with(text: str, parts: Mapping[str, str]) -> str:
    """A filter with one more condition.

    Args:
        parts: "kind", "key", "op" and "value" of the condition.
    Raises:
        Invalid: on one of those.
    """
    kind, key = parts.get("kind", ""), parts.get("key", "").strip()
    op, value = parts.get("op", ""), parts.get("value", "")
    try:
        if kind == "attributes" and key in TIMES:
            value = _milliseconds(value)
        clause = clause_text(kind, key, op, value)
    except ValueError as error:
        field, sentence = error.args
        raise Invalid(sentence, fields={field: [sentence]}) from error
    return f"{text.strip()} AND {clause}" if text.strip() else clause


def _milliseconds(value: str) -> str:
    """Milliseconds since 1970 of a date or a time; numbers stay as they are."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) > 8:
        return text
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
        return str(int(aware.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise ValueError(
            "value", _("A date is needed here, such as 2026-01-31 or 2026-01-31 18:00.")
        ) from None
