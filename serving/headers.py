"""Which headers the gateway passes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
# Answered here (expect), written anew (the id, where from), or the studio's alone (cookies).
NOT_TO_BACKEND = HOP_BY_HOP | {
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
}
NOT_TO_CLIENT = HOP_BY_HOP | {"content-length", "date", "server", "set-cookie", "x-request-id"}


def passed(headers: Iterable[tuple[str, str]], dropped: set[str]) -> list[tuple[str, str]]:
    """Return the headers without `dropped` and without those that Connection names."""
    pairs = list(headers)
    named = {
        token.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for token in value.split(",")
    }
    return [(n, v) for n, v in pairs if n.lower() not in dropped and n.lower() not in named]


def declared_length(headers: Mapping[str, str]) -> int | None:
    """Return Content-Length as a number, or None when the body is chunked or absent."""
    text = headers.get("Content-Length", "")
    return int(text[:20]) if text.isdigit() else None
