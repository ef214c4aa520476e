"""A small Markdown for notes: everything is escaped first, and only a few marks become elements,
tables with bars among them.

No HTML passes, no image is loaded, and a link leads only to http(s), mail or this studio.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_HEADING = re.compile(r"(#{1,4})\s+(\S.*)$")
_ITEM = re.compile(r"\s{0,3}(?:[-*+]|\d{1,9}[.)])\s+(.*)$")
_NUMBERED = re.compile(r"\s{0,3}\d")
_FENCE = re.compile(r"\s{0,3}```")
_CODE = re.compile(r"`([^`\n]{1,1000})`")
_LINK = re.compile(r"\[([^\[\]\n]{1,500})\]\(([^()\s]{1,2000})\)")
_STRONG = re.compile(r"\*\*(\S(?:[^*\n]{0,1000}\S)?)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])\*(\S(?:[^*\n]{0,1000}[^\s*])?)\*(?![\w*])")
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")  # a cell of the line below a table's head
MOST_CELLS = 200  # of a row
_SAFE_LINK = re.compile(r"(https?://|mailto:|/(?!/)|#)", re.IGNORECASE)


def render(text: str) -> SafeString:
    """Notes as HTML that is safe to show."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return mark_safe("\n".join(_blocks(lines)))  # noqa: S308 (every text in it was escaped)


def _blocks(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif _FENCE.match(line):
            at, block = _fenced(lines, at + 1)
            yield block
        elif match := _HEADING.match(line):
            level = len(match[1]) + 2  # below the page's own headings
            words = match[2].rstrip().rstrip("#").rstrip() or match[2]
            yield f"<h{level}>{_inline(words)}</h{level}>"
            at += 1
        elif _ITEM.match(line):
            at, block = _list(lines, at)
            yield block
        elif sides := _table_sides(lines, at):
            at, block = _table(lines, at, sides)
            yield block
        else:
            at, block = _paragraph(lines, at)
            yield block


def _fenced(lines: list[str], at: int) -> tuple[int, str]:
    end = at
    while end < len(lines) and not _FENCE.match(lines[end]):
        end += 1
    return end + 1, f"<pre><code>{escape(chr(10).join(lines[at:end]))}</code></pre>"


def _list(lines: list[str], at: int) -> tuple[int, str]:
    tag = "ol" if _NUMBERED.match(lines[at]) else "ul"
    items = []
    while at < len(lines) and (match := _ITEM.match(lines[at])):
        items.append(f"<li>{_inline(match[1])}</li>")
        at += 1
    return at, f"<{tag}>{''.join(items)}</{tag}>"


def _table_sides(lines: list[str], at: int) -> list[str]:
    """To which side each column of the table that starts here is set; empty when none starts."""
    if at + 1 >= len(lines) or "|" not in lines[at] or "-" not in lines[at + 1]:
        return []
    rules = _cells(lines[at + 1])
    if not all(_RULE.fullmatch(rule) for rule in rules) or len(rules) != len(_cells(lines[at])):
        return []
    if len(rules) > MOST_CELLS or (len(rules) == 1 and "|" not in lines[at + 1]):
        return []
    sides = {(True, True): "center", (False, True): "end"}
    return [sides.get((rule.startswith(":"), rule.endswith(":")), "start") for rule in rules]


def _cells(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(line, MOST_CELLS)]


def _table(lines: list[str], at: int, sides: list[str]) -> tuple[int, str]:
    """A table to its end: an empty line, or one that starts something else.

    A row has no more cells than the head; one with fewer stays short, so that no text grows by it.
    """
    head = _row("th", lines[at], sides)
    at += 2
    rows = []
    while at < len(lines) and lines[at].strip() and not _starts(lines[at]):
        rows.append(_row("td", lines[at], sides))
        at += 1
    body = f"<tbody>{''.join(rows)}</tbody>" if rows else ""
    return at, f'<div class="notes-table"><table><thead>{head}</thead>{body}</table></div>'


def _row(tag: str, line: str, sides: list[str]) -> str:
    cells = zip(_cells(line), sides, strict=False)
    inner = (
        f"<{tag}>{_inline(text)}</{tag}>"
        if side == "start"
        else f'<{tag} class="text-{side}">{_inline(text)}</{tag}>'
        for text, side in cells
    )
    return f"<tr>{''.join(inner)}</tr>"


def _paragraph(lines: list[str], at: int) -> tuple[int, str]:
    end = at + 1
    while end < len(lines) and lines[end].strip():
        if _starts(lines[end]) or _table_sides(lines, end):
            break
        end += 1
    return end, f"<p>{'<br>'.join(_inline(line) for line in lines[at:end])}</p>"


def _starts(line: str) -> bool:
    return bool(_HEADING.match(line) or _ITEM.match(line) or _FENCE.match(line))


def _inline(text: str) -> str:
    """Marks within a line. Code is taken out first: nothing in it is a mark."""
    kept: list[str] = []

    def keep(make: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            kept.append(make(match))
            return f"\x00{len(kept) - 1}\x00"

        return replace

    text = text.replace("\x00", "\ufffd")
    text = _CODE.sub(keep(lambda match: f"<code>{escape(match[1])}</code>"), text)
    text = _LINK.sub(keep(_link), text)
    html = str(escape(text))
    html = _STRONG.sub(r"<strong>\1</strong>", html)
    html = _EMPHASIS.sub(r"<em>\1</em>", html)
    for _depth in range(2):  # a link's words may hold code
        html = re.sub(r"\x00(\d+)\x00", lambda match: kept[int(match[1])], html)
    return html


def _link(match: re.Match[str]) -> str:
    words, target = escape(match[1]), match[2]
    if not _SAFE_LINK.match(target):
        return f"{words} ({escape(target)})"
    return f'<a href="{escape(target)}" rel="noopener noreferrer nofollow">{words}</a>'
