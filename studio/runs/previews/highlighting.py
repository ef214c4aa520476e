"""Colours for code: comments, strings, numbers and keywords of the languages that runs log.

A few patterns for each family of languages, no parser: what is not recognised stays plain text.
Everything is escaped.
"""

from __future__ import annotations

import re
from functools import cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

LONGEST = 200_000  # characters; longer code is shown plain

_PYTHON = (
    "and as assert async await break case class continue def del elif else except False finally "
    "for from global if import in is lambda match None nonlocal not or pass raise return True try "
    "while with yield"
)
_C = (
    "abstract auto bool break case catch char class const continue def default defer delete do "
    "double else enum export extends extern false final finally float fn for func function go if "
    "impl implements import in int interface let long loop match mod mut namespace new nil null "
    "object override package private protected pub public return self short static struct super "
    "switch template this throw trait true try type typedef typename undefined unsigned use using "
    "val var virtual void while with yield async await"
)
_SQL = (
    "select from where and or not null is in as on join left right inner outer full group by order "
    "having limit offset insert into values update set delete create table view index drop alter "
    "with union all distinct case when then else end between like exists primary key foreign"
)
_SHELL = (
    "if then else elif fi for in do done while until case esac function return export local set "
    "unset exit source echo cd"
)
_R = "if else for while repeat function return next break in TRUE FALSE NULL NA library require"
_JULIA = (
    "abstract begin break const continue do else elseif end export false for function global if "
    "import in let local macro module mutable nothing quote return struct true try using while"
)
_CONSTANTS = "true false null yes no on off"
_HASH, _SLASHES, _DASHES = r"\#[^\n]*", r"//[^\n]*|/\*.*?(?:\*/|\Z)", r"--[^\n]*|/\*.*?(?:\*/|\Z)"
_QUOTES = r"\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?"
_TRIPLE = r"\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)"
_LANGUAGES: dict[str, tuple[str, str, str]] = {  # extensions -> comments, strings, keywords
    "py": (_HASH, f"{_TRIPLE}|{_QUOTES}", _PYTHON),
    "r": (_HASH, _QUOTES, _R),
    "jl": (_HASH, f"{_TRIPLE}|{_QUOTES}", _JULIA),
    "sh env": (_HASH, _QUOTES, _SHELL),
    "yaml yml toml ini cfg conf lock": (rf"{_HASH}|^;[^\n]*", _QUOTES, _CONSTANTS),
    "json geojson jsonl ndjson": (r"(?!)", _QUOTES, _CONSTANTS),
    "sql": (_DASHES, _QUOTES, _SQL),
    "js ts java scala cpp c h go rs dot": (_SLASHES, rf"{_QUOTES}|`(?:\\.|[^`\\])*`?", _C),
    "css": (r"/\*.*?(?:\*/|\Z)", _QUOTES, "important media import from to"),
    "xml": (r"<!--.*?(?:-->|\Z)", _QUOTES, "xml version encoding"),
}
NAMES = {"mlmodel": "yaml", "dockerfile": "sh", "makefile": "sh"}  # files without an extension


def language_of(path: str) -> str:
    """The extension whose patterns fit a file; "" when none do."""
    name = path.rsplit("/", 1)[-1].lower()
    extension = NAMES.get(name) or name.rpartition(".")[2]
    return extension if any(extension in known.split() for known in _LANGUAGES) else ""


def highlight(text: str, language: str) -> SafeString:
    """The text as HTML, with `<span class="hl-…">` around what was recognised."""
    if not language or len(text) > LONGEST:
        return escape(text)
    parts: list[str] = []
    done = 0
    for match in _pattern(language).finditer(text):
        kind = match.lastgroup
        if kind is None or kind == "word":
            continue
        parts.append(escape(text[done : match.start()]))
        parts.append(f'<span class="hl-{kind}">{escape(match[0])}</span>')
        done = match.end()
    parts.append(escape(text[done:]))
    return mark_safe("".join(parts))  # noqa: S308 (every text in it was escaped)


@cache
def _pattern(language: str) -> re.Pattern[str]:
    comment, string, keywords = next(
        patterns for known, patterns in _LANGUAGES.items() if language in known.split()
    )
    words = "|".join(keywords.split())
    flags = re.DOTALL | re.MULTILINE | (re.IGNORECASE if language == "sql" else 0)
    return re.compile(
        rf"(?P<comment>{comment})|(?P<string>{string})"
        rf"|(?P<keyword>\b(?:{words})\b)|(?P<number>\b[0-9](?:[\w.]|(?<=[eE])[+-])*)"
        r"|(?P<word>\b\w+\b)",
        flags,
    )
