"""Logs as JSON for the follower and as files to keep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from deployments import selectors
from deployments.logs import loglines
from deployments.logs.oplog import LogChunk
from deployments.models import Step
from deployments.views.common import View, secret, whole
from workspaces.errors import NotFound

MAX_DOWNLOAD_CHUNKS = 10_000  # of 64 to 256 KB


def readable(chunk: LogChunk) -> LogChunk:
    """The chunk as people read it, cut at a whole line while more may follow."""
    text, following = chunk.text, chunk.next_offset
    if not chunk.complete and not text.endswith("\n"):
        head, _newline, tail = text.rpartition("\n")
        if _newline and "\ufffd" not in tail:
            text, following = head + "\n", following - len(tail.encode())
    lines = "".join(f"{loglines.shown(line)}\n" for line in loglines.parse(text))
    return LogChunk(lines, following, chunk.complete)


def _follow(request: HttpRequest, read: Callable[[int], LogChunk]) -> HttpResponse:
    chunk = readable(read(whole(request.GET.get("offset"))))
    body = {"text": chunk.text, "next_offset": chunk.next_offset, "complete": chunk.complete}
    return secret(JsonResponse(body))


def _download(name: str, read: Callable[[int], LogChunk]) -> StreamingHttpResponse:
    """The log as it is on disk, in pieces."""

    async def pieces() -> AsyncIterator[str]:
        offset = 0
        for _count in range(MAX_DOWNLOAD_CHUNKS):
            chunk = await sync_to_async(read)(offset)
            if not chunk.text or chunk.next_offset <= offset:
                return
            yield chunk.text
            offset = chunk.next_offset

    response = StreamingHttpResponse(pieces(), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.log"'
    return response


Read = Callable[[int], LogChunk]


def _service_source(name: str) -> tuple[str, Read]:
    """The name of a service's log as a file, and how it is read."""
    return name, partial(selectors.service_log, selectors.service_get(name))


def _operation_source(operation_id: UUID) -> tuple[str, Read]:
    operation = selectors.operation_get(operation_id)
    about = get_valid_filename(operation.about)[:100]
    name = f"{about}-{operation.kind}-{operation.created_at:%Y%m%d%H%M%S}"
    return name, partial(selectors.operation_log, operation)


def _log_views(source: Callable[..., tuple[str, Read]]) -> tuple[View, View]:
    """The two views of one kind of log: followed as JSON, and kept as a file."""

    def follow(request: HttpRequest, **which: Any) -> HttpResponse:
        return _follow(request, source(**which)[1])

    def download(request: HttpRequest, **which: Any) -> StreamingHttpResponse:
        return _download(*source(**which))

    return require_safe(follow), require_safe(download)


service_log, service_log_download = _log_views(_service_source)
operation_log, operation_log_download = _log_views(_operation_source)


def _step(operation_id: UUID, position: int) -> Step:
    operation = selectors.operation_get(operation_id)
    step = next((item for item in operation.steps.all() if item.position == position), None)
    if step is None:
        raise NotFound(_("There is no such step."))
    return step


@require_safe
def step_panel(request: HttpRequest, operation_id: UUID, position: int) -> HttpResponse:
    """The follower of one step's log, loaded when its row is opened."""
    return render(request, "deployments/_step_log.html", {"step": _step(operation_id, position)})


@require_safe
def step_log(request: HttpRequest, operation_id: UUID, position: int) -> HttpResponse:
    step = _step(operation_id, position)
    return _follow(request, lambda offset: selectors.step_log(step, offset))
