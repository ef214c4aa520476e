"""Bounds what Django takes: an ASGI application around it, behind the one that takes uploads.

Django puts the whole body of a request into a temporary file before anything looks at it, whoever
asks. Here a body that says that it is too long is refused before it is read, and one that does not
say, or lies, is read up to the limit. Source files of people who are signed in may be long; all
else is a form or JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from registry.incoming.receiving import Application, Receive, Scope, Send, is_form, may_send
from registry.scripts import folders
from workspaces import proxy_identity
from workspaces.proxy_answers import SECURITY_HEADERS

SOURCES = "/api/v1/sources"
OVERHEAD = 1024 * 1024  # bytes of boundaries and headers beside what Django counts
LINGER_S = 3.0  # so long the rest of a refused body is thrown away: who sends listens late


@dataclass(frozen=True)
class Limit:
    """How long a body may be, in bytes, and what a longer one is refused with."""

    most: int
    sentence: str
    field: str = ""


async def limit_of(scope: Scope) -> Limit:
    """The limit of a request."""
    if scope["path"] == SOURCES and is_form(scope) and await may_send(scope):
        sentence = folders.too_large().message
        return Limit(2 * folders.MAX_BYTES + OVERHEAD, sentence, "files")
    most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    text = _("The body of this request may have at most %(most)s MB.")
    return Limit(most + OVERHEAD, text % {"most": most // 2**20})


class Bounded:
    """Wraps Django's ASGI application."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        limit = await limit_of(scope)
        length = proxy_identity.header(scope, b"content-length")
        is_long = length.isdigit() and (len(length) > 18 or int(length) > limit.most)
        if is_long or not await self._within(limit, scope, receive, send):
            await _refuse(limit, scope, receive, send)

    async def _within(self, limit: Limit, scope: Scope, receive: Receive, send: Send) -> bool:
        """Pass a request on; False when its body became too long before it was answered."""
        left = limit.most

        async def counted() -> MutableMapping[str, Any]:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _TooLong
            return message

        try:
            await self.application(scope, counted, send)
        except _TooLong:
            return False
        return True


class _TooLong(Exception):
    """The body goes on beyond its limit."""


async def _refuse(limit: Limit, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, then close: what is still coming is thrown away for a moment only."""
    kind, body = "text/plain; charset=utf-8", limit.sentence
    if scope["path"].startswith("/api/") or proxy_identity.header(scope, b"hx-request"):
        fields = {limit.field: [limit.sentence]} if limit.field else {}
        answer = {"code": "too_large", "message": limit.sentence, "fields": fields}
        kind, body = "application/json", json.dumps(answer)
    content = body.encode()
    headers = {
        **SECURITY_HEADERS,
        "cache-control": "no-store",
        "content-type": kind,
        "content-length": str(len(content)),
        "connection": "close",
    }
    pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": 413, "headers": pairs})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b""})
