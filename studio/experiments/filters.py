"""MLflow's filter syntax for runs: its tokens, its clauses as pills, and where a text is wrong.

The filter is one text (the key "filter" of the query string); pills are a view of it. Whether a
filter is right is MLflow's decision alone: what is found here only points at the wrong word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

KINDS = {  # every word that MLflow takes -> the word of our pages and of `Clause.kind`
    "metric": "metrics",
    "metrics": "metrics",
    "param": "params",
    "params": "params",
    "parameter": "params",
    "parameters": "params",
    "tag": "tags",
    "tags": "tags",
    "attribute": "attributes",
    "attributes": "attributes",
    "attr": "attributes",
    "run": "attributes",
    "dataset": "datasets",
    "datasets": "datasets",
}
NUMBERS = ("start_time", "end_time", "created", "Created")
TEXTS = ("run_id", "run_name", "status", "user_id", "artifact_uri")
ALIASES = ("run name", "Run name", "Run Name")
ATTRIBUTES = (*TEXTS, *NUMBERS[:2])
DATASETS = ("name", "digest", "context")
COMPARED = (">", ">=", "=", "!=", "<", "<=")
MATCHED = ("=", "!=", "LIKE", "ILIKE")
NULLS = ("IS NULL", "IS NOT NULL")
LISTED = ("IN", "NOT IN")

_PATTERNS = (
    ("space", r"\s+"),
    ("text", r"'(?:''|\\'|[^'])*'"),
    ("unclosed", r"[^\W\d]\w*\.(?:`[^`]*|\"[^\"]*)\Z"),
    ("name", r"(?:[^\W\d]\w*|`[^`]*`|\"[^\"]*\")(?:\.(?:\w+|`[^`]*`|\"[^\"]*\"))*"),
    ("number", r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]-?\d+)?(?!\w)"),
    ("compare", r"[<>=!~]+"),
    ("list", r"\([^()]*\)"),
    ("open", r"['\"`(]\S*"),
    ("wrong", r"[^\s<>=!~'\"`(]+"),
)
_TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS))
_WORDS = re.compile(r"(?:LIKE|ILIKE|IS|IN|NOT|NULL|AND|OR)", re.IGNORECASE)
_QUOTED = re.compile(r"[\"'](.+?)[\"']")


@dataclass(frozen=True)
class Token:
    """A piece of a filter. `sort` is name, text, number, compare, list, word, open or wrong."""

    sort: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Clause:
    """One comparison. `value` is without quotes; empty for IS NULL."""

    kind: str  # metrics, params, tags, attributes, datasets
    key: str
    op: str  # in capitals
    value: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Fault:
    """The first wrong word of a filter: from `start` up to `end`, and what is wrong with it."""

    start: int
    end: int
    message: str

    def parts(self, text: str) -> tuple[str, str, str]:
        """The filter before the wrong word, the word (a space behind the end), and the rest."""
        return text[: self.start], text[self.start : self.end] or " ", text[self.end :]


class _Wrong(Exception):
    def __init__(self, token: Token, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(token.start, token.end, message)


def tokens_of(text: str) -> list[Token]:
    """The tokens of a filter without white space; every character is in a token or white."""
    found = []
    for match in _TOKEN.finditer(text):
        sort = str(match.lastgroup)
        if sort == "name" and _WORDS.fullmatch(match[0]):
            sort = "word"
        sort = "open" if sort == "unclosed" else sort
        if sort != "space":
            found.append(Token(sort, match[0], match.start()))
    return found


def clauses_of(text: str) -> list[Clause] | None:
    """The clauses of a filter; None when it is not understood here (MLflow may all the same)."""
    try:
        return list(_clauses(tokens_of(text), len(text)))
    except _Wrong:
        return None


def fault_of(text: str, said: str = "") -> Fault | None:
    """Where a filter that MLflow refused is wrong.

    Args:
        said: MLflow's message; a piece of the filter that it quotes is the wrong one when the
            reader of this module finds nothing wrong.
    Returns: None when neither tells.
    """
    try:
        list(_clauses(tokens_of(text), len(text)))
    except _Wrong as wrong:
        return wrong.fault
    for piece in _QUOTED.findall(said):
        start = text.find(piece)
        if start >= 0 and piece.strip():
            return Fault(start, start + len(piece), said)
    return None


def clause_text(kind: str, key: str, op: str, value: str) -> str:
    """A clause in MLflow's syntax.

    Raises:
        ValueError: with the sentence why it cannot be written; its first argument is the field.
    """
    if not key or "`" in key or not key.isprintable():
        raise ValueError("key", _("Name what is compared; the name cannot contain a ` character."))
    op = " ".join(op.upper().split())
    if op not in operators(kind, key):
        raise ValueError("op", _("“%(op)s” cannot compare this.") % {"op": op})
    name = f"{kind}.{key}" if kind in {"attributes", "datasets"} else f"{kind}.`{key}`"
    if op in NULLS:
        return f"{name} {op}"
    if kind == "metrics" or (kind == "attributes" and key in NUMBERS):
        return f"{name} {op} {_number(value)}"
    return f"{name} {op} {_quoted(value)}"


def operators(kind: str, key: str) -> tuple[str, ...]:
    """The operators that MLflow takes for a kind and key; none for a key that it does not know."""
    if kind == "metrics":
        return COMPARED
    if kind in {"params", "tags"}:
        return (*MATCHED, *NULLS)
    if kind == "attributes":
        if key in NUMBERS:
            return COMPARED
        return (*MATCHED, *LISTED) if key == "run_id" else MATCHED * (key in TEXTS)
    return (*MATCHED, *LISTED) if kind == "datasets" and key in DATASETS else ()


def _number(value: str) -> str:
    """A number as MLflow reads it: without "+", finite."""
    try:
        number = float(value.strip().replace("−", "-"))
    except ValueError:
        number = float("nan")
    if number - number != 0:
        raise ValueError("value", _("A number is needed here, such as 0.5."))
    text = value.strip().replace("−", "-")
    if re.fullmatch(r"-?(\d+(\.\d+)?|\d+(\.\d+)?[eE]-?\d+)", text):
        return text
    return repr(number).replace("e+", "e")


def _quoted(value: str) -> str:
    if "\x00" in value or value.endswith("\\"):
        raise ValueError("value", _("MLflow cannot look for text that ends with a backslash."))
    quote = '"' if "'" in value else "'"
    if quote in value or ("\\" in value and quote == '"'):
        raise ValueError("value", _("MLflow cannot look for text with both kinds of quotes."))
    return f"{quote}{value}{quote}"


# --- reading -------------------------------------------------------------------------------------


def _clauses(tokens: Sequence[Token], length: int) -> Iterator[Clause]:
    at = 0
    while at < len(tokens):
        clause, at = _clause(tokens, at, length)
        yield clause
        if at == len(tokens):
            return
        word = tokens[at].text.upper()
        if word == "OR":
            raise _Wrong(tokens[at], _("MLflow joins conditions by AND alone; it knows no OR."))
        if word != "AND":
            raise _Wrong(tokens[at], _("Here AND is expected, or the end."))
        at += 1
        if at == len(tokens):
            raise _Wrong(_end(tokens, length), _("A condition is missing after AND."))


def _end(tokens: Sequence[Token], length: int) -> Token:
    """A mark of one character behind the last token."""
    return Token("end", " ", tokens[-1].end if tokens else length)


def _clause(tokens: Sequence[Token], at: int, length: int) -> tuple[Clause, int]:
    name = tokens[at]
    kind, key = _name(name)
    op, at = _operator(tokens, at + 1, length, kind, key)
    if op in NULLS:
        return Clause(kind, key, op, "", name.start, tokens[at - 1].end), at
    value = tokens[at] if at < len(tokens) else _end(tokens, length)
    return Clause(kind, key, op, _value(value, kind, key, op), name.start, value.end), at + 1


def _name(token: Token) -> tuple[str, str]:
    _open_check(token)
    if token.sort != "name" or token.text[0] in "'\"":
        message = _("Here a metric, parameter, tag or attribute is expected: metrics.rmse")
        raise _Wrong(token, message)
    word, dot, key = token.text.partition(".")
    if not dot:
        word, key = "attributes", token.text
    kind = KINDS.get(word.strip("`"))
    if kind is None:
        near = difflib.get_close_matches(word, list(KINDS), 1)
        hint = _("Did you mean “%(near)s”?") % {"near": KINDS[near[0]]} if near else ""
        known = _("“%(word)s” is none of metrics, params, tags, attributes and datasets.")
        first = Token("name", word, token.start)
        raise _Wrong(first, f"{known % {'word': word}} {hint}".strip())
    key = _bare(key)
    if not operators(kind, key) and key not in ALIASES:
        known_keys = ATTRIBUTES if kind == "attributes" else DATASETS
        words = {"key": key, "known": ", ".join(known_keys)}
        start = token.start + (len(word) + 1 if dot else 0)
        message = _("A run has no “%(key)s”; it has %(known)s.") % words
        raise _Wrong(Token("name", token.text[start - token.start :], start), message)
    return kind, key


def _bare(text: str) -> str:
    """Without its quotes, when it has any: MLflow takes off at most one pair of each sort."""
    for quote in ('"', "`"):
        if len(text) >= 2 and text[0] == text[-1] == quote:
            text = text[1:-1]
    return text


def _operator(
    tokens: Sequence[Token], at: int, length: int, kind: str, key: str
) -> tuple[str, int]:
    if at >= len(tokens):
        raise _Wrong(_end(tokens, length), _("A comparison is missing: = or >, for example."))
    token, size = tokens[at], 1
    op = token.text.upper()
    if token.sort == "word":
        for count in (2, 3):
            words = " ".join(one.text.upper() for one in tokens[at : at + count])
            if words in {*NULLS, "NOT IN"}:
                op, size = words, count
                break
    known = operators(kind, key) or MATCHED
    if op not in known:
        _open_check(token)
        said = {"op": token.text, "known": " ".join(known)}
        message = _("“%(op)s” cannot stand here. A comparison does: %(known)s") % said
        raise _Wrong(token, message)
    return op, at + size


def _value(token: Token, kind: str, key: str, op: str) -> str:
    _open_check(token)
    if op in LISTED:
        if token.sort != "list":
            raise _Wrong(token, _("Here a list is expected: ('a', 'b')"))
        return token.text
    if kind == "metrics" or (kind == "attributes" and key in NUMBERS):
        if token.sort != "number":
            raise _Wrong(token, _("Here a number is expected, without quotes."))
        return token.text
    if token.sort == "text" or (token.sort == "name" and token.text[0] == '"'):
        return token.text[1:-1]
    word = token.text if token.sort in {"name", "number", "word", "wrong"} else "…"
    raise _Wrong(token, _("Here a text in quotes is expected: '%(word)s'") % {"word": word.strip()})


def _open_check(token: Token) -> None:
    if token.sort == "open":
        at = next(at for at, char in enumerate(token.text) if char in "`'\"(")
        piece = Token("open", token.text[at:], token.start + at)
        mark = {"mark": piece.text[0]}
        raise _Wrong(piece, _("What %(mark)s opens is not closed.") % mark)
