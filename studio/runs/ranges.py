"""Which part of a file a `Range` header asks for (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)


class RangeBeyondFileError(ValueError):
    """No byte of the file is in the range."""


def range_parse(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the length of what is asked for, within a file of `size` bytes.

    Returns: None where all of it is to be sent: no range, several, or one that cannot be read.
    Raises: RangeBeyondFileError.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:  # the last bytes
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < first:
            return None
    if first >= size:
        raise RangeBeyondFileError(header)
    return first, last - first + 1
