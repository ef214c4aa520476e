"""Sends real multipart forms through the studio's ASGI application, whole or cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
from django.core.asgi import get_asgi_application

from registry.incoming.receiving import Receiver

APPLICATION = Receiver(get_asgi_application())
BOUNDARY = "slipway-test-boundary"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def body(files: Iterable[tuple[str, bytes]], fields: dict[str, Any]) -> bytes:
    """A form as browsers send it, file names with their folders."""
    lines = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        head = f'Content-Disposition: form-data; name="{name}"'
        lines.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n{text}\r\n".encode())
    for path, content in files:
        head = f'Content-Disposition: form-data; name="files"; filename="{path}"'
        lines.append(
            f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode("utf-8", "surrogateescape") + content + b"\r\n"
        )
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()


def post(
    url: str, content: bytes, headers: dict[str, str], cookies: dict[str, str] | None = None
) -> httpx.Response:
    """One request to the application in this process."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 70_000):
            yield content[at : at + 70_000]

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=APPLICATION)  # type: ignore[arg-type]
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", cookies=cookies
        ) as client:
            return await client.post(url, content=pieces(), headers={**HEADERS, **headers})

    return asyncio.run(send())


def upload(
    token: str, files: dict[str, bytes] | list[tuple[str, bytes]], **fields: Any
) -> httpx.Response:
    """Register files by the API."""
    items = files.items() if isinstance(files, dict) else files
    headers = {"Authorization": f"Bearer {token}"}
    return post("/api/v1/models", body(items, fields), headers)


def hang_up(token: str, content: bytes, *, silent: bool = False) -> list[dict[str, Any]]:
    """Send the beginning of a form, then cut the connection, or say nothing; what was answered."""
    sent: list[dict[str, Any]] = []
    messages = [
        {"type": "http.request", "body": content, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        if silent and len(messages) == 1:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/models",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", HEADERS["Content-Type"].encode()),
        ],
    }
    asyncio.run(APPLICATION(scope, receive, send))  # type: ignore[arg-type]
    return sent
