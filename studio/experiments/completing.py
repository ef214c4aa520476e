"""What can come next in a filter: names of metrics, parameters and tags, operators, AND."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from studio.experiments.filters import (
    ATTRIBUTES,
    DATASETS,
    KINDS,
    Token,
    operators,
    tokens_of,
)

MOST = 20
OFFERED = ("metrics", "params", "tags", "attributes", "datasets")
STATUSES = ("FINISHED", "RUNNING", "FAILED", "KILLED", "SCHEDULED")
_DOTTED = re.compile(r"([A-Za-z]+)\.(`[^`]*|[\w.\-/]*)$")
_REST = re.compile(r"[\w.]*`?")

Names = Callable[[str], Sequence[str]]  # "metrics", "params" or "tags" -> the names there are


@dataclass(frozen=True)
class Item:
    """One offer: `insert` replaces the text from `start` to `end`; `hint` says what it is."""

    insert: str
    label: str
    hint: str


@dataclass(frozen=True)
class Completion:
    start: int
    end: int
    items: tuple[Item, ...] = ()


def complete(text: str, at: int, names: Names) -> Completion:
    """What can stand at position `at` of a filter.

    Args:
        at: where the caret is; outside of the text it is its end.
        names: asked for a kind only when names of that kind can stand there.
    """
    at = at if 0 <= at <= len(text) else len(text)
    dotted = _DOTTED.search(text[:at])
    if dotted and _state(_split(text[: dotted.start()])[0])[0] == "name":
        found = _keys(KINDS.get(dotted[1], ""), dotted[2].strip("`"), names)
        end = at + len(_REST.match(text[at:])[0])  # type: ignore[index]
        return Completion(dotted.start(), end, tuple(found[:MOST]))
    done, prefix = _split(text[:at])
    state, name = _state(done)
    start = at - len(prefix)
    offers = {"name": _starts, "op": _operators, "value": _values, "join": _joins}
    found = offers[state](prefix, name, names)
    rest = re.match(r"\w*", text[at:]) if prefix else None
    return Completion(start, at + len(rest[0]) if rest else at, tuple(found[:MOST]))


def _split(before: str) -> tuple[list[Token], str]:
    """The tokens that are finished, and what is being typed."""
    tokens = tokens_of(before)
    if not tokens or tokens[-1].end < len(before):
        if tokens and tokens[-1].sort == "open":  # a quote that is open goes on over spaces
            return tokens[:-1], before[tokens[-1].start :]
        return tokens, ""
    if tokens[-1].sort in {"text", "list", "compare"}:
        return tokens, ""
    return tokens[:-1], tokens[-1].text


def _state(tokens: Iterable[Token]) -> tuple[str, str]:
    """What is expected after these tokens, and the name of the clause that is being written."""
    state, name = "name", ""
    for token in tokens:
        word = token.text.upper()
        if state == "name":
            if token.sort == "name":
                state, name = "op", token.text
        elif state == "op":
            if word == "NULL":
                state = "join"
            elif token.sort == "compare" or word in {"LIKE", "ILIKE", "IN"}:
                state = "value"
        elif state == "value":
            state = "join"
        elif word == "AND":
            state = "name"
    return state, name


def _kind_and_key(name: str) -> tuple[str, str]:
    word, dot, key = name.partition(".")
    return (KINDS.get(word, ""), key.strip('`"')) if dot else ("attributes", name)


def _starts(prefix: str, name: str, names: Names) -> list[Item]:
    low = prefix.lower()
    found = [Item(f"{kind}.", f"{kind}.", "") for kind in OFFERED if kind.startswith(low)]
    if low:
        for kind in ("metrics", "params", "tags", "attributes"):
            found += _keys(kind, prefix, names)[:MOST]
    return found


def _keys(kind: str, prefix: str, names: Names) -> list[Item]:
    if kind == "attributes":
        known: Sequence[str] = ATTRIBUTES
    elif kind == "datasets":
        known = DATASETS
    else:
        known = names(kind) if kind else ()
    low = prefix.lower()
    fitting = [key for key in known if low in key.lower() and "`" not in key]
    fitting.sort(key=lambda key: (not key.lower().startswith(low), key.lower()))
    plain = kind in {"attributes", "datasets"}
    return [Item(f"{kind}.{key if plain else f'`{key}`'} ", key, kind) for key in fitting[:MOST]]


def _operators(prefix: str, name: str, names: Names) -> list[Item]:
    kind, key = _kind_and_key(name)
    fitting = [op for op in operators(kind, key) if op.startswith(prefix.upper())]
    return [Item(f"{op} ", op, "") for op in fitting]


def _values(prefix: str, name: str, names: Names) -> list[Item]:
    if _kind_and_key(name) != ("attributes", "status"):
        return []
    low = prefix.strip("'\"").upper()
    return [Item(f"'{word}' ", word, "") for word in STATUSES if word.startswith(low)]


def _joins(prefix: str, name: str, names: Names) -> list[Item]:
    return [Item("AND ", "AND", "")] if "AND".startswith(prefix.upper()) else []
