"""Receives uploads before Django sees them: an ASGI application around Django's.

Django would put the whole body into a temporary file first, of anybody who asks. Here a signed-in
caller's files stream into a staging, hashed and counted on the way; then Django gets the request
with the form's plain fields alone, so that who may do what, forms and errors stay its business. The
view finds the files in the request's scope. Whatever happens, the staging is gone afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest
from django.utils.translation import gettext as _

from registry.archive_entries import is_archive
from registry.incoming import archives, registering
from registry.incoming.multipart import Multipart, Part, PartEnd, boundary_of
from registry.incoming.staging import (
    StagedFile,
    Staging,
    Writer,
    disk_problem,
    room_check,
    staging_open,
)
from workspaces import proxy_identity
from workspaces.errors import Invalid, Problem

API = "/api/v1/models"
PAGE = "/register/"
PATHS = frozenset({API, PAGE})
SCOPE_KEY = "slipway.upload"
BATCH = 1024 * 1024  # bytes that are handed to a thread at once
MAX_FIELD = 2_000_000  # bytes of all plain fields together
MAX_FIELDS = 100
MAX_FORM_OVERHEAD = 200_000  # bytes of boundaries and headers, when free disk is looked at
IDLE_S = 60.0  # a sender that is silent for so long is gone; a half-open connection never says so
DRAIN_S = 30.0  # an upload that is refused is read to its end so long: browsers answer late

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Stalled(Problem):
    """The sender fell silent."""

    code = "timeout"
    status = 408


class Upload:
    """A form with files that is being received. Not for several threads at once.

    Attributes:
        fields: the plain fields; of a name given twice the last.
        problem: why it was refused; nothing more is written then.
    """

    def __init__(self, staging: Staging, boundary: bytes) -> None:
        self.staging = staging
        self.fields: dict[str, str] = {}
        self.problem: Problem | None = None
        self._form = Multipart(boundary)
        self._files: list[StagedFile] = []
        self._archive: Writer | None = None
        self._writer: Writer | None = None
        self._field: tuple[str, bytearray] | None = None
        self._field_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes; what is wrong with them is kept in `problem`."""
        if self.problem is not None:
            return
        try:
            for event in self._form.feed(data):
                self._take(event)
        except Problem as problem:
            self.problem = problem
        except OSError as error:
            self.problem = disk_problem(error)

    def stalled(self) -> None:
        """Nothing more comes."""
        text = _("Nothing of the upload arrived for %(seconds)s seconds; send it again.")
        self.problem = self.problem or Stalled(text % {"seconds": f"{IDLE_S:g}"})

    def finish(self) -> None:
        """The body is over."""
        if self._writer is not None:
            self._writer.close()
        if self.problem is None and not self._form.ended:
            text = _("The upload broke off before its end; send it again.")
            self.problem = Invalid(text, code="incomplete")

    def files(self) -> list[StagedFile]:
        """The files; an archive that came alone is unpacked first. Call it once.

        Raises:
            Invalid, Unavailable: the upload is refused.
        """
        if self.problem is not None:
            raise self.problem
        if self._archive is not None:
            return self._unpacked(self._archive)
        if not self._files:
            text = _("Choose a file, a folder or an archive.")
            raise Invalid(text, fields={"files": [text]})
        registering.sha256_check(self._sha256(), self._files)
        return self._files

    @property
    def has_files(self) -> bool:
        return bool(self._files) or self._archive is not None

    def file_name(self) -> str:
        """What was uploaded, in one word for people: a file, or the folder that holds all."""
        if self._archive is not None:
            return self._archive.path
        tops = {item.path.partition("/")[0] for item in self._files}
        return tops.pop() if len(tops) == 1 else ""

    def _sha256(self) -> Any:
        text = self.fields.get("sha256", "").strip()
        if not text.startswith("{"):
            return text
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def _unpacked(self, archive: Writer) -> list[StagedFile]:
        registering.sha256_check(self._sha256(), [archive.done()])
        try:
            found = archives.unpack(archive.target, archive.path, self.staging)
            archive.target.unlink()
        except OSError as error:
            raise disk_problem(error) from error
        return found

    def _take(self, event: Part | PartEnd | bytes) -> None:
        if isinstance(event, Part):
            self._begin(event)
        elif isinstance(event, PartEnd):
            self._end()
        elif self._writer is not None:
            self._writer.write(event)
        elif self._field is not None:
            self._field_bytes += len(event)
            if self._field_bytes > MAX_FIELD:
                raise Invalid(_("The fields of the form are too long."))
            self._field[1].extend(event)

    def _begin(self, part: Part) -> None:
        if part.file_name is None:
            if len(self.fields) >= MAX_FIELDS:
                raise Invalid(_("The form has too many fields."))
            self._field = (part.name, bytearray())
        elif part.file_name:  # a browser sends an empty name where nothing was chosen
            first = not self._files and self._archive is None
            if self._archive is not None:  # it did not come alone
                self._files.append(self.staging.move_in(self._archive))
                self._archive = None
            if first and is_archive(part.file_name):
                self._archive = self._writer = self.staging.open_spare(part.file_name)
            else:
                self._writer = self.staging.open(part.file_name)

    def _end(self) -> None:
        if self._writer is not None:
            done = self._writer.done()
            if self._writer is not self._archive:
                self._files.append(done)
            self._writer = None
        if self._field is not None:
            name, value = self._field
            self.fields[name] = value.decode("utf-8", "replace")
            self._field = None


def upload_of(request: HttpRequest) -> Upload:
    """The upload that came with a request.

    Raises:
        Invalid, Unavailable: it was refused, or there is none.
    """
    found = getattr(request, "scope", {}).get(SCOPE_KEY)
    if isinstance(found, Problem):
        raise found
    if not isinstance(found, Upload):
        raise Invalid(_("Send the files as multipart/form-data."))
    if found.problem is not None:
        raise found.problem
    return found


class Receiver:
    """Wraps Django's ASGI application; other requests than uploads pass through untouched."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_upload(scope):
            await self.application(scope, receive, send)
            return
        if not await may_send(scope):
            # Django's own refusal: 401, the sign-in page, or 403
            await self.application(*_plain(scope, {}), send)
            return
        opening = staging_open()
        try:
            staging = await asyncio.to_thread(opening.__enter__)
        except Problem as problem:
            await _drain(receive)
            await self._answer({**scope, SCOPE_KEY: problem}, {}, send)
            return
        try:
            await self._receive(scope, receive, send, staging)
        finally:
            await asyncio.to_thread(opening.__exit__, None, None, None)

    async def _receive(self, scope: Scope, receive: Receive, send: Send, staging: Staging) -> None:
        try:
            upload = Upload(staging, boundary_of(proxy_identity.header(scope, b"content-type")))
            await asyncio.to_thread(room_check, staging.folder, _length(scope))
        except Problem as problem:
            await _drain(receive)
            await self._answer({**scope, SCOPE_KEY: problem}, {}, send)
            return
        if await _stream(upload, receive):
            await self._answer({**scope, SCOPE_KEY: upload}, upload.fields, send)

    async def _answer(self, scope: Scope, fields: dict[str, str], send: Send) -> None:
        scope, receive = _plain(scope, fields)
        await self.application(scope, receive, send)


def _is_upload(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in PATHS and is_form(scope)


def is_form(scope: Scope) -> bool:
    """Whether a request sends a form that may hold files."""
    kind = proxy_identity.header(scope, b"content-type").lower()
    return scope["method"] == "POST" and kind.startswith("multipart/form-data")


async def may_send(scope: Scope) -> bool:
    """Whether to take files from this caller at all; Django checks everything again."""
    authorization = proxy_identity.header(scope, b"authorization")
    cookie = proxy_identity.header(scope, b"cookie")
    if not authorization and not cookie:
        return False
    find = sync_to_async(_caller, thread_sensitive=False)
    caller = await find(authorization, cookie)
    return caller is not None and (not caller.by_cookie or proxy_identity.is_same_origin(scope))


def _caller(authorization: str, cookie: str) -> proxy_identity.Caller | None:
    close_old_connections()
    return proxy_identity.caller_of(authorization, cookie)


def _length(scope: Scope) -> int:
    text = proxy_identity.header(scope, b"content-length")
    return max(0, int(text) - MAX_FORM_OVERHEAD) if text.isdigit() and len(text) < 19 else 0


async def _stream(upload: Upload, receive: Receive) -> bool:
    """Read the body into the upload; False when the client is gone."""
    held = bytearray()
    deadline = None
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                message = await receive()
        except TimeoutError:
            upload.stalled()
            await asyncio.to_thread(upload.finish)
            return True
        if message["type"] == "http.disconnect":
            await asyncio.to_thread(upload.finish)
            return False
        held += message.get("body", b"")
        more = message.get("more_body", False)
        if len(held) >= BATCH or not more:
            data = bytes(held)
            held.clear()
            await asyncio.to_thread(upload.feed, data)
        if upload.problem is not None:
            deadline = deadline or time.monotonic() + DRAIN_S
            held.clear()
        if not more or (deadline and time.monotonic() > deadline):
            await asyncio.to_thread(upload.finish)
            return True


async def _drain(receive: Receive) -> None:
    """Read what is still coming: a client that sends does not listen yet."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


def _plain(scope: Scope, fields: dict[str, str]) -> tuple[Scope, Receive]:
    """The same request with the plain fields alone: JSON for the API, a form for the page."""
    if scope["path"] == API:
        kind, body = b"application/json", json.dumps(fields).encode()
    else:
        kind, body = b"application/x-www-form-urlencoded", urlencode(fields).encode()
    replaced = {b"content-type", b"content-length", b"transfer-encoding", b"expect"}
    headers = [(key, value) for key, value in scope["headers"] if key not in replaced]
    headers += [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    waiting: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body}]

    async def receive() -> MutableMapping[str, Any]:
        if waiting:
            return waiting.pop()
        # never "disconnected": what was begun with a whole upload is finished, seen or not
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return {**scope, "headers": headers}, receive
