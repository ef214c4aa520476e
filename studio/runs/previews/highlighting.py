"""Colours for code: comments, strings, numbers and keywords, told apart by Pygments.

Pygments reads; the HTML is ours, because four classes in the studio's own colours are all that is
shown. Everything is escaped.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

LONGEST = 60_000  # characters; longer code is shown plain: the oddest of it takes a second
_LEXERS = {  # by extension: the languages that runs log, since not all lexers bear any text
    "python": "py",
    "r": "r",
    "julia": "jl",
    "bash": "sh env",
    "docker": "dockerfile",
    "make": "makefile",
    "yaml": "yaml yml mlmodel",
    "toml": "toml lock",
    "ini": "ini cfg conf",
    "json": "json geojson jsonl ndjson",
    "sql": "sql",
    "javascript": "js",
    "typescript": "ts",
    "java": "java",
    "scala": "scala",
    "cpp": "cpp c h",
    "go": "go",
    "rust": "rs",
    "graphviz": "dot",
    "css": "css",
    "xml": "xml",
    "diff": "diff patch",
}
_BY_EXTENSION = {one: lexer for lexer, known in _LEXERS.items() for one in known.split()}


def language_of(path: str) -> str:
    """Pygments' name of the language a file is written in, by its name; "" when none is known."""
    name = path.rsplit("/", 1)[-1].lower()  # some have no extension: Dockerfile, MLmodel
    return _BY_EXTENSION.get(name.rpartition(".")[2], "")


def highlight(text: str, language: str) -> SafeString:
    """The text as HTML, with `<span class="hl-…">` around what was recognised.

    Args:
        language: as `language_of` calls it.
    """
    if not language or len(text) > LONGEST:
        return escape(text)
    # not `get_tokens`: it changes line ends, and every character has to stay
    tokens = _lexer(language).get_tokens_unprocessed(text)
    shown = ((_kind(token), part) for _start, token, part in tokens)
    parts = []
    for kind, row in groupby(shown, key=lambda one: one[0]):
        code = escape("".join(part for _kind, part in row))
        parts.append(f'<span class="hl-{kind}">{code}</span>' if kind else code)
    return mark_safe("".join(parts))  # noqa: S308 (every text in it was escaped)


@cache
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(language)


@cache
def _kind(token: Any) -> str:
    """The class of a token; "" for plain text."""
    from pygments.token import Comment, Generic, Keyword, Number, Operator, String

    kinds = (
        (Comment, "comment"),
        (String, "string"),
        (Number, "number"),
        (Keyword, "keyword"),
        (Operator.Word, "keyword"),  # Python's "and"
        (Generic.Deleted, "comment"),
        (Generic.Inserted, "string"),
    )
    return next((kind for parent, kind in kinds if token in parent), "")
