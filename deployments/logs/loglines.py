"""Log text as lines with a time and a level, for showing and filtering. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
RANK = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3, "CRITICAL": 3, "FATAL": 3, "WARN": 2}
_STAMP = re.compile(r"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\|(.*)$", re.DOTALL)
_HEADING = re.compile(r"^== (.+) ==$")
_WORD = re.compile(r"\b(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\b")
_FAULT = re.compile(
    r"^(Traceback \(most recent call last\)|error:|ERROR:|× |\w*(Error|Exception):)"
)
_CONTINUES = re.compile(r"^(\s+\S|[\w.]+(Error|Exception|Interrupt|Exit)\b)")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Line:
    """One line. `time` as HH:MM:SS in the log's own zone, or ""; `level` a word of LEVELS."""

    text: str
    level: str = "INFO"
    time: str = ""
    is_heading: bool = False


def parse(text: str, carry: str = "INFO") -> Iterator[Line]:
    """Lines of a log.

    Args:
        carry: the level of the line before `text`; indented lines (tracebacks) keep it.
    """
    for raw in text.splitlines():
        line = _parse_line(_ANSI.sub("", raw), carry)
        carry = line.level
        yield line


def _parse_line(raw: str, carry: str) -> Line:
    if match := _HEADING.match(raw):
        return Line(match[1], is_heading=True)
    time = ""
    if match := _STAMP.match(raw):
        time, raw = f"{match[4]}:{match[5]}:{match[6]}", match[7]
    if raw.startswith("{") and (line := _from_json(raw)):
        return line
    return Line(raw, _level(raw, carry), time)


def _from_json(raw: str) -> Line | None:
    """A line of the runtime: {"time", "level", "message", …}."""
    try:
        record = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(record, dict) or "message" not in record:
        return None
    stamp = str(record.pop("time", ""))
    level = _known(str(record.pop("level", "INFO")))
    text = str(record.pop("message"))
    traceback = str(record.pop("traceback", ""))
    extra = " ".join(f"{key}={value}" for key, value in record.items())
    parts = [f"{text}  {extra}".rstrip(), traceback.rstrip()]
    return Line("\n".join(part for part in parts if part), level, stamp[11:19])


def _known(word: str) -> str:
    return LEVELS[RANK.get(word.upper(), 1)]


def _level(text: str, carry: str) -> str:
    if _FAULT.match(text):
        return "ERROR"
    if match := _WORD.search(text[:120]):
        return _known(match[1])
    return carry if _CONTINUES.match(text) else "INFO"


def at_least(lines: Iterator[Line], level: str) -> list[Line]:
    """The lines of this level and above; headings stay."""
    least = RANK.get(level.upper(), 0)
    return [line for line in lines if line.is_heading or RANK[line.level] >= least]


def shown(line: Line) -> str:
    """The line as people read it; the words WARNING and ERROR carry its colour."""
    if line.is_heading:
        return f"── {line.text} ──"
    level = f"{line.level} " if line.level in {"WARNING", "ERROR"} else ""
    if level and line.level in line.text[:20].upper():
        level = ""
    if line.text.startswith((" ", "\t")):  # a continued line: the one above carries its level
        return f"{line.time}  {line.text}" if line.time else line.text
    return f"{line.time}  {level}{line.text}" if line.time else f"{level}{line.text}"
