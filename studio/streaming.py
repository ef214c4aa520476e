"""Answers that are sent while they are made."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from workspaces.streaming import body_of


def download(
    request: HttpRequest, chunks: Iterator[bytes], name: str, content_type: str
) -> StreamingHttpResponse:
    """A file that is made while it is sent: one chunk is in memory at a time.

    A failure in the middle ends the connection, so that nobody takes a part for the whole.
    """
    response = StreamingHttpResponse(body_of(request, chunks), content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
