"""Answers that carry an artifact's bytes: never with the rights of the studio's own pages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.templatetags.static import static
from django.utils.http import content_disposition_header

from studio.runs.previews.kinds import kind_of, media_type
from studio.runs.previews.making import FRAMED_BYTES
from studio.runs.ranges import RangeBeyondFileError, range_parse
from workspaces.streaming import body_of
from workspaces.tracking.artifacts import OpenArtifact

# Scripts of a page run (plots need them) but in an origin of its own: without cookies, storage,
# forms, pop-ups or any connection, not even back to the studio.
PAGE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval' %(library)s; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
HTML = "text/html; charset=utf-8"
PLOTLY_OURS = "vendor/plotly/plotly-cartesian.min.js"
# mlflow.log_figure writes this; the sandbox reaches no other host, and nothing should
PLOTLY_CDN = re.compile(rb'<script[^>]+src="https://cdn\.plot\.ly/plotly-[^">]*"[^>]*></script>')
FILE_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


def artifact_download(
    request: HttpRequest, opened: OpenArtifact, path: str
) -> StreamingHttpResponse:
    """The file as an attachment, streamed; the part of it that is asked for."""
    response = _file(request, opened, "application/octet-stream")
    _attached(response, posixpath.basename(path))
    return response


def artifact_inline(request: HttpRequest, opened: OpenArtifact, path: str) -> HttpResponseBase:
    """An image, a sound, a PDF or a page to be framed; everything else is a download."""
    kind = kind_of(path)
    if kind in {"image", "audio", "pdf"}:
        return _file(request, opened, media_type(path))
    if kind == "page":
        return _page(request, opened)
    return artifact_download(request, opened, path)


def attachment_streamed(
    request: HttpRequest, chunks: Iterator[bytes], name: str, content_type: str
) -> StreamingHttpResponse:
    """Bytes as a file to be kept, sent while they are made."""
    response = _streamed(request, chunks, content_type)
    _attached(response, name)
    return response


def _attached(response: HttpResponseBase, name: str) -> None:
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"


def _file(request: HttpRequest, opened: OpenArtifact, content_type: str) -> StreamingHttpResponse:
    """A file, or the part that a `Range` header asks for, so that a player can seek.

    Parts are of files that lie here alone: of others each would have to be fetched whole.
    """
    size = opened.size
    if size is None or not opened.has_parts:
        response = _streamed(request, iter(opened), content_type)
        _length(response, opened)
        return response
    try:
        wanted = range_parse(_range_header(request), size)
    except RangeBeyondFileError:
        opened.close()
        response = _streamed(request, iter(()), content_type)
        response.status_code = 416
        response["Content-Range"], response["Content-Length"] = f"bytes */{size}", "0"
        return response
    if wanted is None:
        response = _streamed(request, iter(opened), content_type)
        _length(response, opened)
    else:
        first, length = wanted
        response = _streamed(request, opened.part(first, length), content_type)
        response.status_code = 206
        response["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
        response["Content-Length"] = str(length)
    response["Accept-Ranges"] = "bytes"
    return response


def _range_header(request: HttpRequest) -> str:
    """What `Range` says. With `If-Range` nothing: no answer names a version that it could mean."""
    asked = request.method == "GET" and "If-Range" not in request.headers
    return request.headers.get("Range", "") if asked else ""


def _length(response: HttpResponseBase, opened: OpenArtifact) -> None:
    if opened.size is not None:
        response["Content-Length"] = str(opened.size)


def _page(request: HttpRequest, opened: OpenArtifact) -> HttpResponseBase:
    """A page in its sandbox. Plots made by Plotly get the studio's copy of its library."""
    library = request.build_absolute_uri(static(PLOTLY_OURS))
    policy = PAGE_POLICY % {"library": library}
    if opened.size is None or opened.size > FRAMED_BYTES:
        response: HttpResponseBase = _streamed(request, iter(opened), HTML)
        _length(response, opened)
    else:
        ours = f'<script src="{library}"></script>'.encode()
        response = HttpResponse(PLOTLY_CDN.sub(ours, opened.read(FRAMED_BYTES)), content_type=HTML)
    return _guarded(response, policy)


def _guarded(response: HttpResponseBase, policy: str) -> HttpResponseBase:
    response["Content-Security-Policy"] = policy
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response


def _streamed(
    request: HttpRequest, chunks: Iterator[bytes], content_type: str
) -> StreamingHttpResponse:
    response = StreamingHttpResponse(body_of(request, chunks), content_type=content_type)
    _guarded(response, FILE_POLICY)
    return response
