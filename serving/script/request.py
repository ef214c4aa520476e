"""The request that a script marked with @rawhttp is given: Flask's attributes, without Flask."""

from __future__ import annotations

import io
import json
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from serving.errors import ServingError, bad_input
from serving.script import multipart
from serving.script.headers import RequestHeaders
from serving.script.multidict import MultiDict, UploadedFile

FORM_TYPE, MULTIPART_TYPE = "application/x-www-form-urlencoded", "multipart/form-data"


class AMLRequest:
    """One HTTP request, its body wholly read. Use it within `run()`."""

    def __init__(self, scope: dict[str, Any], body: bytes, headers: RequestHeaders) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query_string: bytes = scope.get("query_string", b"")
        self.scheme: str = scope.get("scheme", "http")
        client = scope.get("client")
        self.remote_addr: str | None = client[0] if client else None
        self.headers = headers
        self.data = body

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @property
    def host(self) -> str:
        return self.headers.get("Host") or ""

    @property
    def host_url(self) -> str:
        return f"{self.scheme}://{self.host}/"

    url_root = host_url

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def full_path(self) -> str:
        return f"{self.path}?{self.query_string.decode('latin-1')}"

    @property
    def url(self) -> str:
        query = self.query_string.decode("latin-1")
        return f"{self.base_url}?{query}" if query else self.base_url

    @property
    def content_type(self) -> str | None:
        return self.headers.get("Content-Type")

    @property
    def mimetype(self) -> str:
        return (self.content_type or "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int:
        return len(self.data)

    @property
    def is_json(self) -> bool:
        kind = self.mimetype
        return kind == "application/json" or (
            kind.startswith("application/") and kind.endswith("+json")
        )

    @cached_property
    def stream(self) -> io.BytesIO:
        """The body as a file."""
        return io.BytesIO(self.data)

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        """Return the body as bytes, or as text."""
        return self.data.decode("utf-8", "replace") if as_text else self.data

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the parsed body; with `silent` None for what is not JSON.

        Raises ServingError 400 or 415, which the caller is answered with unless `run` catches it.
        """
        if not (force or self.is_json):
            if silent:
                return None
            raise ServingError(415, "Expects Content-Type to be application/json")
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            if silent:
                return None
            raise bad_input(f"The body could not be decoded as JSON: {error}") from error

    @property
    def json(self) -> Any:
        return self.get_json()

    @cached_property
    def args(self) -> MultiDict:
        """The query's arguments."""
        return MultiDict(_pairs(self.query_string))

    @cached_property
    def _fields(self) -> tuple[MultiDict, MultiDict]:
        if self.mimetype == FORM_TYPE:
            return MultiDict(_pairs(self.data)), MultiDict()
        if self.mimetype != MULTIPART_TYPE:
            return MultiDict(), MultiDict()
        try:
            parts = multipart.parse(self.content_type or "", self.data)
        except ValueError as error:
            raise bad_input(f"The body is no multipart/form-data: {error}") from error
        texts = [
            (part.name, part.content.decode("utf-8", "replace"))
            for part in parts
            if part.filename is None
        ]
        files = [
            (part.name, UploadedFile(part.name, part.filename, part.headers, part.content))
            for part in parts
            if part.filename is not None
        ]
        return MultiDict(texts), MultiDict(files)

    @property
    def form(self) -> MultiDict:
        """The fields of a form in the body."""
        return self._fields[0]

    @property
    def files(self) -> MultiDict:
        """The files of a multipart form in the body."""
        return self._fields[1]

    @cached_property
    def values(self) -> MultiDict:
        """The query's arguments and the form's fields."""
        return MultiDict([*self.args.pairs(), *self.form.pairs()])

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The request's cookies; empty when they cannot be read."""
        try:
            found = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in found.items()}


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        decoded = text.decode("utf-8", "replace")
        return parse_qsl(decoded, keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise bad_input(f"The form cannot be read: {error}") from error
