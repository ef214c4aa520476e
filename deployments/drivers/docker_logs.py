"""A container's log by position. Docker keeps no byte offsets, and rotation would shift them.

The position is therefore the time of a line in microseconds since the epoch, plus one: it only
grows, survives rotation and restart, costs what is new, and fits into a JavaScript number.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import APIClient

_STAMP = re.compile(rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z ?")


def read(client: APIClient, container: str, since: int, limit: int) -> tuple[str, int]:
    """Return text from position `since` (0: the beginning) and the next position.

    Whole lines, about `limit` bytes; one line more where the first is longer than that.
    """
    start = (since - 1) / 1e6 if since > 1 else None  # one less: a float loses the last digit
    stream = client.logs(container, stream=True, follow=False, timestamps=True, since=start)
    try:
        return _take(_frames(stream), since, limit)
    finally:
        stream.close()


def last_line(client: APIClient, container: str) -> str:
    """Return the last line that says something, without our JSON around it."""
    text = client.logs(container, tail=20)
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return plain(lines[-1]) if lines else ""


def plain(line: str) -> str:
    """Return the words of a log line: of one of the runtime's JSON lines, its message."""
    try:
        record = json.loads(line)
    except ValueError:
        return line.strip()[:500]
    if not isinstance(record, dict) or "message" not in record:
        return line.strip()[:500]
    return str(record["message"])[:500]


def _take(frames: Iterable[tuple[int, bytes]], since: int, limit: int) -> tuple[str, int]:
    text = bytearray()
    position = since
    for stamp, data in frames:
        if stamp < since:
            continue
        # Lines of one microsecond stay together: the position cannot tell them apart.
        full = text and len(text) + len(data) > limit
        if full and stamp >= position:
            break
        text += data
        position = max(position, stamp + 1)
    return text.decode("utf-8", "replace"), position


def _frames(stream: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield (microseconds, text) of each message; Docker puts the time before each."""
    for frame in stream:
        found = _STAMP.match(frame)
        if found:
            yield _microseconds(found), frame[found.end() :]


def _microseconds(found: re.Match[bytes]) -> int:
    numbers = [int(part) for part in found.groups()[:6]]
    fraction = (found.group(7) or b"").ljust(9, b"0")
    return calendar.timegm((*numbers, 0, 0, 0)) * 1_000_000 + int(fraction) // 1000
