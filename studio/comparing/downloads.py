"""Tables as CSV: exact values, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse

FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?(\d|\.\d)[\d.]*([eE][+-]?\d+)?|[+-]?(inf|nan)", re.ASCII)


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def cell_safe(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def csv_response(rows: Iterable[Iterable[Any]], name: str) -> HttpResponseBase:
    """Streams rows as UTF-8 CSV, to be saved under the name."""
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        for row in rows:
            yield writer.writerow([cell_safe(value) for value in row])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name(name)}.csv"'
    return response


def file_name(text: str) -> str:
    """A file name of ASCII letters from any text."""
    clean = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()
    return clean[:80] or "chart"
