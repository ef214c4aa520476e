"""Tables as CSV: exact values, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from studio.spreadsheets import cell_safe
from studio.streaming import download

ROWS_AT_ONCE = 2_000


def csv_response(
    request: HttpRequest, rows: Iterable[Iterable[Any]], name: str
) -> HttpResponseBase:
    """Streams rows as UTF-8 CSV, to be saved under the name; some in memory at a time."""
    return download(request, _chunks(rows), f"{file_name(name)}.csv", "text/csv; charset=utf-8")


def _chunks(rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    waiting = iter(rows)
    while some := list(islice(waiting, ROWS_AT_ONCE)):
        writer.writerows([cell_safe(value) for value in row] for row in some)
        yield text.getvalue().encode("utf-8", "replace")
        text.seek(0)
        text.truncate()


def file_name(text: str) -> str:
    """A file name of ASCII letters from any text."""
    clean = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()
    return clean[:80] or "chart"
