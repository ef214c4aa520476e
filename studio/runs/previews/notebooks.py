"""Jupyter notebooks as cells of text and pictures. Nothing of a notebook is ever run.

HTML and JavaScript outputs are left out in favour of the plain text that notebooks keep beside
them; pictures become `data:` addresses of images, where scripts do not run.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from registry import markdown
from studio.runs.previews.highlighting import highlight

MOST_CELLS = 300
TEXT_CHARACTERS = 20_000  # of one output
SOURCE_CHARACTERS = 100_000
PICTURE_BYTES = 8_000_000  # of all pictures together
ALL_CHARACTERS = 1_500_000  # of all sources and outputs together
COLOURED = 200_000  # of them; what comes after is plain, since the oddest code takes long
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


class NotANotebook(Exception):
    pass


@dataclass(frozen=True)
class Output:
    """`kind`: text, error, image (then `text` is its `data:` address) or omitted."""

    kind: str
    text: str


@dataclass(frozen=True)
class Cell:
    """`kind`: code, markdown or raw. `html` is safe to show."""

    kind: str
    html: SafeString
    count: str = ""
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True)
class Notebook:
    cells: tuple[Cell, ...]
    sentence: str = ""


def notebook_read(data: bytes) -> Notebook:
    """A notebook of format 3 or 4.

    Raises: NotANotebook: it is not JSON, or has no cells.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotANotebook from error
    raw = _cells(value)
    budget = _Budget(PICTURE_BYTES, ALL_CHARACTERS)
    cells = tuple(_cell(cell, budget) for cell in raw[:MOST_CELLS] if isinstance(cell, dict))
    sentence = ""
    if len(raw) > MOST_CELLS:
        sentence = _("The first %(n)s of %(all)s cells are shown.") % {
            "n": MOST_CELLS,
            "all": len(raw),
        }
    elif not budget.characters:
        sentence = _("The notebook is long; the rest of its text is not shown. Download it.")
    return Notebook(cells, sentence)


def _cells(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise NotANotebook
    sheets = value.get("worksheets")
    if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict):  # format 3
        value = sheets[0]
    cells = value.get("cells")
    if not isinstance(cells, list):
        raise NotANotebook
    return cells


class _Budget:
    """How much of a notebook may still be shown."""

    def __init__(self, pictures: int, characters: int) -> None:
        self.pictures, self.characters = pictures, characters

    def picture(self, size: int) -> bool:
        if size > self.pictures:
            return False
        self.pictures -= size
        return True

    def cut(self, text: str, most: int) -> str:
        shown = text[: min(most, self.characters)]
        self.characters -= len(shown)
        return shown if len(shown) == len(text) else f"{shown}…"


def _cell(cell: dict[str, Any], budget: _Budget) -> Cell:
    source = budget.cut(_text(cell.get("source", cell.get("input"))), SOURCE_CHARACTERS)
    kind = cell.get("cell_type")
    if kind == "markdown":
        return Cell("markdown", markdown.render(source))
    if kind != "code":
        return Cell("raw", escape(source))
    outputs = cell.get("outputs")
    shown = [
        output
        for raw in (outputs if isinstance(outputs, list) else [])[:100]
        if isinstance(raw, dict)
        for output in _outputs(raw, budget)
    ]
    language = "python" if budget.characters > ALL_CHARACTERS - COLOURED else ""
    count = cell.get("execution_count", cell.get("prompt_number"))
    return Cell(
        "code",
        highlight(source, language),
        str(count) if isinstance(count, int) else "",
        tuple(shown),
    )


def _outputs(raw: dict[str, Any], budget: _Budget) -> Iterator[Output]:
    kind = raw.get("output_type")
    if kind == "stream":
        yield Output("text", _plain(raw.get("text"), budget))
    elif kind in {"error", "pyerr"}:
        trace = raw.get("traceback")
        lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
        text = "\n".join(lines) or f"{raw.get('ename')}: {raw.get('evalue')}"
        yield Output("error", _plain(text, budget))
    else:
        data = raw.get("data", raw)
        yield _richest(data if isinstance(data, dict) else {}, budget)


def _richest(data: dict[str, Any], budget: _Budget) -> Output:
    """The picture if there is one, else the plain text of an output."""
    for kind in _PICTURES:
        content = data.get(kind, data.get(kind.removeprefix("image/")))  # format 3: "png"
        picture = _picture(content, kind, budget)
        if picture is not None:
            return picture
    plain = data.get("text/plain", data.get("text"))
    if plain is not None:
        return Output("text", _plain(plain, budget))
    kinds = ", ".join(sorted(str(key) for key in data))[:200]
    return Output("omitted", _("An output that is not shown here: %(kinds)s") % {"kinds": kinds})


def _picture(content: Any, kind: str, budget: _Budget) -> Output | None:
    text = "".join(_text(content).split())
    if not text:
        return None
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return None
    if not budget.picture(size):
        return Output("omitted", _("A picture that is too large to be shown here."))
    return Output("image", f"data:{kind};base64,{text}")


def _text(value: Any) -> str:
    """Notebooks keep texts whole or as a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _plain(value: Any, budget: _Budget) -> str:
    text = _text(value)[: 2 * TEXT_CHARACTERS]  # colours of terminals take room, too
    return budget.cut(_ANSI.sub("", text), TEXT_CHARACTERS)
