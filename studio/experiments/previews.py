"""How an artifact is shown: its kind by name and content, bounded in size."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".svg": "image/svg+xml",
}
PAGES = {".html", ".htm"}
TABLES = {".csv": ",", ".tsv": "\t"}
JSONS = {".json", ".geojson", ".ipynb"}
TEXTS = {
    f".{name}"
    for name in (
        *("txt", "log", "md", "rst", "tex", "py", "r", "jl", "js", "ts", "css", "sql", "sh"),
        *("yaml", "yml", "toml", "ini", "cfg", "conf", "xml", "jsonl", "ndjson", "lock"),
        *("diff", "patch", "dot", "java", "scala", "cpp", "c", "h", "go", "rs", "env"),
    )
}
TEXT_BYTES = 1_000_000
JSON_BYTES = 2_000_000
FRAMED_BYTES = 20_000_000  # images and pages
TABLE_ROWS = 200
TABLE_COLUMNS = 50
CELL_CHARACTERS = 500


@dataclass(frozen=True)
class Preview:
    """One artifact ready to be shown. `kind`: image, page, text, json, table or none."""

    kind: str
    sentence: str = ""  # what is left out, or why nothing is shown
    text: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def kind_of(path: str) -> str:
    """image, page, json, table, text, or "unknown" when only the content can tell."""
    extension = posixpath.splitext(path)[1].lower()
    for kind, extensions in (
        ("image", IMAGES),
        ("page", PAGES),
        ("table", TABLES),
        ("json", JSONS),
        ("text", TEXTS),
    ):
        if extension in extensions:
            return kind
    return "unknown"


def preview_make(path: str, size: int | None, read: Callable[[int], bytes]) -> Preview:
    """What to show of a file.

    Args:
        size: bytes, None when the store does not tell.
        read: gives at most so many bytes from the start; called at most once.
    """
    kind = kind_of(path)
    if kind in {"image", "page"}:
        return _framed(kind, size)
    if kind == "json":
        return _json(read(JSON_BYTES + 1), size)
    data = read(TEXT_BYTES + 1)
    if b"\x00" in data[:8192]:
        return Preview("none", _("This is a binary file. It has no preview; download it."))
    if kind == "table":
        return _table(data, TABLES[posixpath.splitext(path)[1].lower()], size)
    return _text(data, size)


def _framed(kind: str, size: int | None) -> Preview:
    if size is not None and size > FRAMED_BYTES:
        return Preview(
            "none",
            _("The file has %(size)s; files up to %(limit)s are shown. Download it.")
            % {"size": filesizeformat(size), "limit": filesizeformat(FRAMED_BYTES)},
        )
    return Preview(kind)


def _cut(data: bytes, limit: int, size: int | None) -> tuple[str, str]:
    """Text of the first `limit` bytes and the sentence when there is more."""
    text = data[:limit].decode("utf-8", "replace")
    if len(data) <= limit:
        return text, ""
    sentence = _("Only the first %(shown)s of %(size)s are shown. Download the file for all of it.")
    whole = filesizeformat(size) if size is not None else _("more")
    return text, sentence % {"shown": filesizeformat(limit), "size": whole}


def _text(data: bytes, size: int | None, sentence: str = "") -> Preview:
    if not data:
        return Preview("none", _("The file is empty."))
    text, cut = _cut(data, TEXT_BYTES, size)
    if text.count("\ufffd") > max(len(text) // 10, 3):
        return Preview("none", _("This is a binary file. It has no preview; download it."))
    return Preview("text", sentence or cut, text=text)


def _json(data: bytes, size: int | None) -> Preview:
    if len(data) > JSON_BYTES:
        return _text(data, size)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _text(data, size, _("This is not valid JSON; it is shown as text."))
    if _is_table(value):
        return _rows([str(name) for name in value["columns"]], value["data"])
    try:
        return Preview("json", text=json.dumps(value, indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return _text(data, size)


def _is_table(value: Any) -> bool:
    """Whether it is what mlflow.log_table writes."""
    return (
        isinstance(value, dict)
        and set(value) == {"columns", "data"}
        and isinstance(value["columns"], list)
        and isinstance(value["data"], list)
        and all(isinstance(row, list) for row in value["data"])
    )


def _table(data: bytes, delimiter: str, size: int | None) -> Preview:
    text = data[:TEXT_BYTES].decode("utf-8-sig", "replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > TABLE_ROWS + 1:
                break
    except csv.Error:
        return _text(data, size, _("This is not a valid table; it is shown as text."))
    if not rows:
        return Preview("none", _("The file is empty."))
    return _rows(rows[0], rows[1:], more=len(data) > TEXT_BYTES)


def _rows(header: list[str], data: list[list[Any]], *, more: bool = False) -> Preview:
    sentences = []
    if more or len(data) > TABLE_ROWS:
        sentences.append(_("The first %(n)s rows are shown.") % {"n": min(len(data), TABLE_ROWS)})
    if len(header) > TABLE_COLUMNS:
        sentences.append(
            _("The first %(n)s of %(all)s columns are shown.")
            % {"n": TABLE_COLUMNS, "all": len(header)}
        )
    rows = tuple(tuple(_cell(value) for value in row[:TABLE_COLUMNS]) for row in data[:TABLE_ROWS])
    return Preview("table", " ".join(sentences), header=tuple(header[:TABLE_COLUMNS]), rows=rows)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"
