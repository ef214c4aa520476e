"""Answers that carry an artifact's bytes: never with the rights of the studio's own pages."""

from __future__ import annotations

import asyncio
import posixpath
import re
from collections.abc import AsyncIterator, Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.templatetags.static import static
from django.utils.http import content_disposition_header

from studio.experiments.previews import FRAMED_BYTES, IMAGES, kind_of
from workspaces.tracking_artifacts import OpenArtifact

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
    """The file as an attachment, streamed."""
    response = _streamed(request, opened, "application/octet-stream")
    name = posixpath.basename(path)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def artifact_inline(request: HttpRequest, opened: OpenArtifact, path: str) -> HttpResponseBase:
    """An image or a page to be framed; everything else is a download."""
    kind = kind_of(path)
    if kind == "image":
        return _streamed(request, opened, IMAGES[posixpath.splitext(path)[1].lower()])
    if kind == "page":
        return _page(request, opened)
    return artifact_download(request, opened, path)


def _page(request: HttpRequest, opened: OpenArtifact) -> HttpResponseBase:
    """A page in its sandbox. Plots made by Plotly get the studio's copy of its library."""
    library = request.build_absolute_uri(static(PLOTLY_OURS))
    policy = PAGE_POLICY % {"library": library}
    if opened.size is None or opened.size > FRAMED_BYTES:
        response: HttpResponseBase = _streamed(request, opened, HTML)
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
    request: HttpRequest, opened: OpenArtifact, content_type: str
) -> StreamingHttpResponse:
    # under ASGI Django would first read a plain iterator to its end, the whole file in memory
    body = _in_thread(iter(opened)) if isinstance(request, ASGIRequest) else iter(opened)
    response = StreamingHttpResponse(body, content_type=content_type)
    if opened.size is not None:
        response["Content-Length"] = str(opened.size)
    _guarded(response, FILE_POLICY)
    return response


async def _in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            await asyncio.to_thread(close)
