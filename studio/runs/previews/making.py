"""One artifact made ready to be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from registry import markdown
from studio.runs.previews.highlighting import highlight, language_of
from studio.runs.previews.kinds import FRAMED, TABLES, extension_of, kind_of
from studio.runs.previews.notebooks import NotANotebook, Notebook, notebook_read
from studio.runs.previews.tables import (
    NotATable,
    TablePage,
    csv_page,
    is_table,
    json_page,
    parquet_page,
)

TEXT_BYTES = 1_000_000
JSON_BYTES = 10_000_000
MARKDOWN_BYTES = 300_000
NOTEBOOK_BYTES = 20_000_000
FRAMED_BYTES = 50_000_000  # images, pages, sounds, PDF


class Opened(Protocol):
    """What of an open artifact is needed here: read from its start, once, one way or the other."""

    size: int | None

    def read(self, limit: int) -> bytes: ...
    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Preview:
    """`kind`: image, page, audio, pdf, code, html, table, notebook or none.

    `html` is safe to show: highlighted code, or Markdown for kind html.
    """

    kind: str
    sentence: str = ""  # what is left out, or why nothing is shown
    html: SafeString | str = ""
    table: TablePage | None = None
    notebook: Notebook | None = None


def preview_make(path: str, opened: Opened, start: int = 0) -> Preview:
    """What to show of a file.

    Args:
        opened: is read at most once, and then bounded by its kind.
        start: first row of a table.
    """
    kind = kind_of(path)
    if kind in FRAMED:
        return _framed(kind, opened.size)
    if kind in {"table", "parquet"}:
        return _table(path, kind, opened, start)
    if kind == "notebook":
        return _notebook(opened)
    if kind == "json":
        return _json(path, opened, start)
    data = opened.read(TEXT_BYTES + 1)
    if kind == "markdown" and len(data) <= MARKDOWN_BYTES and b"\x00" not in data:
        return Preview("html", html=markdown.render(data.decode("utf-8", "replace")))
    return _text(path, data, opened.size)


def _framed(kind: str, size: int | None) -> Preview:
    if size is not None and size > FRAMED_BYTES:
        words = {"size": filesizeformat(size), "limit": filesizeformat(FRAMED_BYTES)}
        text = _("The file has %(size)s; files up to %(limit)s are shown. Download it.")
        return Preview("none", text % words)
    return Preview(kind)


def _text(path: str, data: bytes, size: int | None, sentence: str = "") -> Preview:
    if not data:
        return Preview("none", _("The file is empty."))
    text = data[:TEXT_BYTES].decode("utf-8", "replace")
    if b"\x00" in data[:8192] or text.count("\ufffd") > max(len(text) // 10, 3):
        return Preview("none", _("This is a binary file. It has no preview; download it."))
    if len(data) > TEXT_BYTES and not sentence:
        words = {
            "shown": filesizeformat(TEXT_BYTES),
            "size": filesizeformat(size) if size is not None else _("more"),
        }
        cut = _("Only the first %(shown)s of %(size)s are shown. Download the file for all of it.")
        sentence = cut % words
    return Preview("code", sentence, html=highlight(text, language_of(path)))


def _json(path: str, opened: Opened, start: int) -> Preview:
    data = opened.read(JSON_BYTES + 1)
    if len(data) > JSON_BYTES:
        return _text(path, data, opened.size)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        sentence = _("This is not valid JSON; it is shown as text.")
        return _text(path, data, opened.size, sentence)
    if is_table(value):
        return _table_preview(json_page(value, start))
    try:
        pretty = json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return _text(path, data, opened.size)
    if len(pretty) > TEXT_BYTES:
        return _text(path, data, opened.size)
    return Preview("code", html=highlight(pretty, "json"))


def _table(path: str, kind: str, opened: Opened, start: int) -> Preview:
    kept = _Kept(opened)
    try:
        if kind == "parquet":
            return _table_preview(parquet_page(opened, opened.size, start))
        return _table_preview(csv_page(kept, TABLES[extension_of(path)], start))
    except NotATable as problem:
        if kind == "parquet":
            return Preview("none", str(problem))
        return _text(path, kept.first, opened.size, str(problem))


class _Kept:
    """Chunks of a file as they pass, the first megabyte kept to be shown as text."""

    def __init__(self, chunks: Opened) -> None:
        self._chunks = chunks
        self.first = b""

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if len(self.first) <= TEXT_BYTES:
                self.first += chunk
            if b"\x00" in chunk[:8192]:
                raise NotATable("")
            yield chunk


def _table_preview(page: TablePage) -> Preview:
    return Preview("table", page.sentence, table=page)


def _notebook(opened: Opened) -> Preview:
    data = opened.read(NOTEBOOK_BYTES + 1)
    if len(data) > NOTEBOOK_BYTES:
        words = {"limit": filesizeformat(NOTEBOOK_BYTES)}
        return Preview("none", _("Notebooks up to %(limit)s are shown. Download it.") % words)
    try:
        read = notebook_read(data)
    except NotANotebook:
        sentence = _("This is not a valid notebook; it is shown as text.")
        return _text("x.json", data, opened.size, sentence)
    return Preview("notebook", read.sentence, notebook=read)
