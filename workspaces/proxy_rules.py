"""What passes from /mlflow/ to MLflow's server. Pure: no I/O, no Django.

Everything that is not named here is refused: the assistant (it can run a shell for callers it
takes for local), the AI gateway, jobs, webhooks (they let the server call any host) and MLflow's
own users and workspaces, which mean nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

PREFIX = "/mlflow"
Headers = list[tuple[bytes, bytes]]

_ANY = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_READ = frozenset({"GET", "HEAD"})

# first word after /api/X/mlflow/ or /ajax-api/X/mlflow/, with the methods that pass
_ENTITIES: dict[str, frozenset[str]] = {
    "experiments": _ANY,
    "runs": _ANY,
    "metrics": _READ,
    "artifacts": _ANY,
    "logged-models": _ANY,
    "model-versions": _ANY,
    "registered-models": _ANY,
    "traces": _ANY,
    "unified-traces": _READ,
    "get-online-trace-details": _READ,
    "get-trace-artifact": _READ,
    "upload-artifact": frozenset({"POST"}),
    "datasets": _ANY,
    "issues": _ANY,
    "label-schemas": _ANY,
    "review-queues": _ANY,
    "scorers": _READ,
    "server-info": _READ,
    "ui-telemetry": _READ,  # it answers that telemetry is off; sending any is refused
}
_REFUSED_BELOW = frozenset({"issues/invoke", "runs/create-promptlab-run"})  # start jobs, call hosts
_ARTIFACT_WORDS = frozenset({"artifacts", "mpu", "presigned"})
_EXACT: dict[str, frozenset[str]] = {
    "/": _READ,
    "/health": _READ,
    "/version": _READ,
    "/get-artifact": _READ,
    "/model-versions/get-artifact": _READ,
    "/graphql": frozenset({"GET", "POST"}),  # the run page reads by it; its schema only reads
    "/v1/traces": frozenset({"POST"}),
}
_API = re.compile(r"^/(?:ajax-)?api/(?:2\.0|3\.0)/(mlflow|mlflow-artifacts)/(.+)$", re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
_DROPPED_FROM_REQUEST = _HOP_BY_HOP | frozenset(
    b"host cookie authorization origin referer forwarded x-forwarded-for x-forwarded-host "
    b"x-forwarded-proto x-forwarded-port x-forwarded-prefix x-real-ip content-length "
    b"expect".split()
)
_DROPPED_FROM_ANSWER = _HOP_BY_HOP | frozenset(
    b"set-cookie server date content-security-policy x-frame-options".split()
)

GUARDED = {
    ("DELETE", "registered-models/delete"): "delete_model",
    ("DELETE", "model-versions/delete"): "delete_version",
    ("POST", "registered-models/rename"): "rename_model",
    ("POST", "experiments/create"): "create_experiment",
}


@dataclass(frozen=True)
class Route:
    """Where a request goes: `path` is encoded afresh from what was judged, nothing else is sent."""

    path: str
    guard: str = ""  # a value of GUARDED: the body is read and judged first
    is_page: bool = False  # the one HTML page of MLflow's UI
    is_asset: bool = False


def path_below_prefix(raw_path: bytes) -> str | None:
    """Decode a request's path once and cut the prefix.

    Returns: a path that starts with "/", or None where it could be read in two ways: dot segments,
        empty segments, backslashes, control characters, bytes that are not UTF-8.
    """
    try:
        path = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not path.startswith(PREFIX + "/") or _UNSAFE.search(path):
        return None
    below = path[len(PREFIX) :]
    segments = below.split("/")[1:]
    if any(segment in {".", ".."} for segment in segments) or "" in segments[:-1]:
        return None
    return below


def route(method: str, raw_path: bytes) -> Route | None:
    """Return where a request goes, or None when it is refused.

    Args:
        method: upper case.
        raw_path: as it came, percent-encoded, without the query.
    """
    path = path_below_prefix(raw_path)
    if path is None:
        return None
    encoded = quote(path, safe="/:@!$&'()*+,;=~-._")
    if path in _EXACT:
        return Route(encoded, is_page=path == "/") if method in _EXACT[path] else None
    if path.startswith("/static-files/"):
        return Route(encoded, is_asset=True) if method in _READ else None
    match = _API.match(path)
    if match is None:
        return None
    family, rest = match.groups()
    if family == "mlflow-artifacts":
        return Route(encoded) if rest.split("/")[0] in _ARTIFACT_WORDS else None
    word = rest.split("/")[0]
    if method not in _ENTITIES.get(word, frozenset()) or rest.rstrip("/") in _REFUSED_BELOW:
        return None
    return Route(encoded, guard=GUARDED.get((method, rest.rstrip("/")), ""))


def request_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers to send on: no credentials, no origin, nothing of the connection itself."""
    pairs = list(headers)
    named = _connection_named(pairs)
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in ((key.lower(), value) for key, value in pairs)
        if name not in _DROPPED_FROM_REQUEST and name not in named
    ]


def answer_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers to hand back: no cookies, no permission for another site."""
    pairs = list(headers)
    named = _connection_named(pairs)
    return [
        (name, value)
        for name, value in ((key.lower(), value) for key, value in pairs)
        if name not in _DROPPED_FROM_ANSWER
        and name not in named
        and not name.startswith(b"access-control-")
    ]


def _connection_named(headers: Headers) -> set[bytes]:
    """Header names that `Connection` declares to be of this hop alone."""
    return {
        part.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for part in value.split(b",")
    }
