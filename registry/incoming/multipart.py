"""Reads multipart/form-data as it comes, in pieces of any size, with flat memory. No I/O.

Django's own parser begins when the whole body is on the disk, and cuts folders off file names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from django.utils.translation import gettext as _

from workspaces.errors import Invalid

MAX_HEADERS = 16_384  # bytes of one part's headers
MAX_PREAMBLE = 16_384
_BOUNDARY = re.compile(r"""boundary=("[^"]{1,200}"|[^\s;"]{1,200})""", re.IGNORECASE)
_QUOTED = r"""\b%s="((?:[^"\\]|\\.)*)\""""
_NAME = re.compile(_QUOTED % "name", re.DOTALL)
_FILE_NAME = re.compile(_QUOTED % "filename", re.DOTALL)
_FILE_NAME_EXTENDED = re.compile(r"filename\*=(utf-8)'[^']*'([^;\s]+)", re.IGNORECASE)
_BARE = re.compile(r"""\b(name|filename)=([^";\s]+)""")


@dataclass(frozen=True)
class Part:
    """A part begins. `file_name` is None for a plain field."""

    name: str
    file_name: str | None


class PartEnd:
    """The part is complete."""


Event = Part | PartEnd | bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type header.

    Raises:
        Invalid: it names none.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise _malformed()
    return match.group(1).strip('"').encode("latin-1", "replace")


def _malformed() -> Invalid:
    return Invalid(_("The form cannot be read: it is no multipart/form-data."), code="parse_error")


class Multipart:
    """Turns the bytes of a form into events.

    Attributes:
        ended: the closing boundary has come; without it a form is not whole.
    """

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._held = bytearray(b"\r\n")  # so that the first boundary is like the others
        self._state = self._preamble
        self.ended = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next bytes.

        Raises:
            Invalid: this is no such form.
        """
        self._held += data
        while not self.ended:
            events, goes_on = self._state()
            yield from events
            if not goes_on:
                return
        self._held.clear()  # what follows the last boundary means nothing

    def _preamble(self) -> tuple[list[Event], bool]:
        at = self._held.find(self._delimiter)
        if at < 0:
            if len(self._held) > MAX_PREAMBLE:
                raise _malformed()
            return [], False
        return [], self._after_boundary(at)

    def _after_boundary(self, at: int) -> bool:
        """Go on behind a boundary, once the two bytes that follow it are there."""
        end = at + len(self._delimiter)
        following = bytes(self._held[end : end + 2])
        if len(following) < 2:
            return False
        if following == b"--":
            self.ended = True
        elif following != b"\r\n":
            raise _malformed()
        del self._held[: end + 2]
        self._state = self._headers
        return True

    def _headers(self) -> tuple[list[Event], bool]:
        end = self._held.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEADERS:
            if len(self._held) > MAX_HEADERS:
                raise _malformed()
            return [], False
        part = _part(bytes(self._held[:end]))
        del self._held[: end + 4]
        self._state = self._body
        return [part], True

    def _body(self) -> tuple[list[Event], bool]:
        at = self._held.find(self._delimiter)
        if at >= 0:
            return self._end_of_part(at)
        sure = len(self._held) - len(self._delimiter)  # the rest may be a boundary's beginning
        if sure <= 0:
            return [], False
        data = bytes(self._held[:sure])
        del self._held[:sure]
        return [data], False

    def _end_of_part(self, at: int) -> tuple[list[Event], bool]:
        if len(self._held) < at + len(self._delimiter) + 2:
            return [], False
        events: list[Event] = [bytes(self._held[:at])] if at else []
        self._after_boundary(at)
        return [*events, PartEnd()], True


def _part(headers: bytes) -> Part:
    for line in headers.decode("utf-8", "surrogateescape").split("\r\n"):
        key, _colon, value = line.partition(":")
        if key.strip().lower() != "content-disposition":
            continue
        bare = dict(_BARE.findall(value))
        quoted, file_name = _NAME.search(value), _FILE_NAME.search(value)
        extended = _FILE_NAME_EXTENDED.search(value)
        name = _unquoted(quoted.group(1)) if quoted else bare.get("name", "")
        if extended is not None:
            raw = unquote_to_bytes(extended.group(2))
            return Part(name, raw.decode("utf-8", "surrogateescape"))
        if file_name is not None:
            return Part(name, _unquoted(file_name.group(1)))
        return Part(name, bare.get("filename"))
    raise _malformed()


def _unquoted(text: str) -> str:
    """A quoted value: curl escapes with a backslash, browsers write three characters as %XX."""
    text = re.sub(r'\\(["\\])', r"\1", text)
    for code, char in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        text = text.replace(code, char)
    return text
