"""What the proxy to MLflow answers by itself: MLflow's error shape, or a small page for people."""

from __future__ import annotations

import html
import json
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse, Response

# the least MLflow's UI needs: Emotion and Plotly write styles, AJV compiles schemas with
# `new Function`, the trace renderer runs a worker from a blob
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; frame-src 'self' blob:; media-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
# artifacts and everything else: opened directly in a tab, a file can do nothing
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p><p><a href="/">{back}</a></p></body></html>
"""


def policy(*, is_page: bool, is_asset: bool) -> str:
    """Content security policy of an answer under /mlflow/."""
    return CONTENT_SECURITY_POLICY if is_page or is_asset else FILE_POLICY


def error(
    status: int, error_code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    """An error as MLflow's clients read it: `{"error_code", "message"}`."""
    body = json.dumps({"error_code": error_code, "message": message})
    return Response(
        body,
        status,
        {**SECURITY_HEADERS, "cache-control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def page(status: int, title: str, text: str, back: str) -> Response:
    """The same for a person who followed a link."""
    content = _PAGE.format(title=html.escape(title), text=html.escape(text), back=html.escape(back))
    headers = {
        **SECURITY_HEADERS,
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'self'",
    }
    return HTMLResponse(content, status, headers)


def redirect(location: str, status: int = 302) -> Response:
    """Send the browser to a place of this studio."""
    return RedirectResponse(location, status, {"cache-control": "no-store"})


async def send_answer(response: Response, scope: Any, receive: Any, send: Any) -> None:
    """Send an answer without the body of a HEAD request."""
    if scope["method"] == "HEAD":
        response.body = b""
    await response(scope, receive, send)
