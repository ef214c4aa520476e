"""Reading text by byte offsets without cutting a character in two."""

from __future__ import annotations

import codecs


def decode_whole(data: bytes) -> tuple[str, int]:
    """The text of `data` and how many bytes that is.

    A character whose rest has not been read is left for the next read; bytes that are no UTF-8
    become replacement characters.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    return text, len(data) - len(decoder.getstate()[0])
