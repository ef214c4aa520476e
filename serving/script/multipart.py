"""multipart/form-data (RFC 7578) of a body that is wholly in memory."""

from __future__ import annotations

import codecs
from email.message import Message
from email.parser import HeaderParser
from typing import NamedTuple

MAX_PARTS = 1000


class Part(NamedTuple):
    """One field or, with a `filename`, one file."""

    name: str
    filename: str | None
    headers: Message
    content: bytes


def parse(content_type: str, body: bytes) -> list[Part]:
    """Return the parts; raises ValueError for a body that is not what its type says."""
    boundary = _header(content_type).get_boundary("")
    if not boundary:
        raise ValueError("the Content-Type names no boundary")
    mark = b"\r\n--" + boundary.encode("latin-1", "replace")
    _, *pieces = (b"\r\n" + body).split(mark)
    if not pieces or not pieces[-1].startswith(b"--"):
        raise ValueError("the last boundary is missing")
    if len(pieces) > MAX_PARTS:
        raise ValueError(f"more than {MAX_PARTS} parts")
    return [_part(piece) for piece in pieces[:-1]]


def _header(content_type: str) -> Message:
    message = Message()
    message["content-type"] = content_type
    return message


def _part(piece: bytes) -> Part:
    # Right after the boundary there may be white space, then the line ends.
    _, found, rest = piece.partition(b"\r\n")
    head, blank, content = rest.partition(b"\r\n\r\n")
    if rest.startswith(b"\r\n"):
        head, blank, content = b"", b"\r\n", rest[2:]
    if not found or not blank:
        raise ValueError("a part has no end of its headers")
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace"))
    name = headers.get_param("name", header="content-disposition")
    if name is None:
        raise ValueError("a part has no name")
    return Part(_text(name), _filename(headers), headers, content)


def _filename(headers: Message) -> str | None:
    found = headers.get_param("filename", header="content-disposition")
    return None if found is None else _text(found)


def _text(value: str | tuple[str | None, str | None, str]) -> str:
    if isinstance(value, str):
        return value
    charset, _, text = value  # RFC 2231: filename*=UTF-8''…
    return text.encode("latin-1", "replace").decode(_known(charset), "replace")


def _known(charset: str | None) -> str:
    try:
        return codecs.lookup(charset or "utf-8").name
    except LookupError:
        return "utf-8"
