"""Which headers the gateway passes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
# `expect` is answered here; the rest is written anew, and cookies belong to the studio alone.
NOT_TO_BACKEND = HOP_BY_HOP | frozenset(
    [
        "host",
        "expect",
        "cookie",
        "content-length",
        "forwarded",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-real-ip",
    ]
)
NOT_TO_CLIENT = HOP_BY_HOP | {"set-cookie", "content-length", "date", "server", "x-request-id"}

Pairs = Iterable[tuple[str, str]]


def passed(headers: Pairs, dropped: frozenset[str] | set[str]) -> list[tuple[str, str]]:
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
