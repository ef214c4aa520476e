"""The routes in force, made ready: from a path to a service, from a service to its backends."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import httptools

from serving.contract import GATEWAY_PATHS, GATEWAY_PREFIX, Route
from serving.gateway.answers import GatewayError, bad_request, unavailable
from serving.gateway.backend import Origin
from serving.gateway.cors import Cors

PREFIX = GATEWAY_PREFIX.encode()
PATHS = frozenset(path.encode() for path in GATEWAY_PATHS)
PRINTABLE = re.compile(rb"[!-~]+").fullmatch
MAX_KNOWN = 1024  # paths whose way is remembered
CLIMBS = (b"%2e", b"%2f", b"%5c", b"\\")


class Weighted:
    """A backend of one service and its share. `current` is the state of the round."""

    __slots__ = ("current", "origin", "weight")

    def __init__(self, origin: Origin, weight: float, current: float) -> None:
        self.origin, self.weight, self.current = origin, weight, current


class Destination:
    """One service: where its requests go, and its limits."""

    def __init__(self, name: str, route: Route, origins: Callable[[str], Origin]) -> None:
        self.name = name
        self.reason = route["reason"] or "The service is not running."
        self.limit = route.get("max_body_bytes")
        self.cors = Cors(route["cors_origins"]) if route.get("cors_origins") else None
        self.prefix_line = b"\r\nx-forwarded-prefix: " + PREFIX + name.encode()
        self.backends = [
            Weighted(origins(backend["url"]), backend["weight"], 0)
            for backend in route["backends"]
            if backend["weight"] > 0
        ]
        self.only = [backend.origin for backend in self.backends]

    def order(self, now: float) -> list[Origin]:
        """Return the backends in the order to try them; raises GatewayError 503 without any.

        Smooth weighted round-robin, as nginx does it: of any run of requests as long as the sum
        of the weights, each backend gets exactly its weight, and they are interleaved. A backend
        that just refused a connection is tried last.
        """
        if len(self.only) == 1:
            return self.only
        if not self.only:
            raise unavailable(self.reason, 5)
        for backend in self.backends:
            backend.current += backend.weight
        ordered = sorted(self.backends, key=_current, reverse=True)
        ordered[0].current -= sum(backend.weight for backend in self.backends)
        return sorted((one.origin for one in ordered), key=lambda one: one.down_until > now)

    def go_on(self, before: Destination | None) -> None:
        """Take over the round of the document before, when the shares are the same."""
        if before is None or len(before.backends) != len(self.backends):
            return
        pairs = list(zip(before.backends, self.backends, strict=True))
        if all(old.origin is new.origin and old.weight == new.weight for old, new in pairs):
            for old, new in pairs:
                new.current = old.current


def _current(backend: Weighted) -> float:
    return backend.current


class Table:
    """Every service, and one Origin per backend address for as long as a route names it."""

    def __init__(self) -> None:
        self.destinations: dict[bytes, Destination] = {}
        self.origins: dict[str, Origin] = {}
        self._known: dict[bytes, tuple[Destination, bytes]] = {}

    def apply(self, services: dict[str, Route]) -> None:
        """Put new routes in force. Backends they do not name finish what they have."""
        before, kept = self.destinations, self.origins
        self.origins, self.destinations, self._known = {}, {}, {}

        def origin(url: str) -> Origin:
            self.origins[url] = self.origins.get(url) or kept.get(url) or Origin(urlsplit(url))
            return self.origins[url]

        for name, route in services.items():
            destination = Destination(name, route, origin)
            destination.go_on(before.get(name.encode()))
            self.destinations[name.encode()] = destination
        for url, old in kept.items():
            if url not in self.origins:
                old.retire()

    def find(self, target: bytes) -> tuple[Destination, bytes]:
        """Return (service, target there) for a request's target; raises GatewayError 404 or 400."""
        known = self._known.get(target)
        if known is not None:
            return known
        if not PRINTABLE(target) or b"#" in target:
            raise bad_request("The request's target holds characters that no URI has.")
        path, mark, query = origin_form(target).partition(b"?")
        name, rest = split_path(path)
        destination = self.destinations.get(name)
        if destination is None:
            text = f"There is no service {name[:100].decode('latin-1')!r}."
            raise GatewayError(404, "ServiceNotFound", text)
        found = (destination, b"/" + rest + mark + query if query else b"/" + rest)
        if len(self._known) < MAX_KNOWN:
            self._known[target] = found
        return found


def origin_form(target: bytes) -> bytes:
    """Return path and query of a target that may be a whole URI (RFC 9112 §3.2.2)."""
    if target.startswith(b"/"):
        return target
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        return b""
    return b"%b?%b" % (url.path, url.query) if url.query else url.path or b""


def split_path(path: bytes) -> tuple[bytes, bytes]:
    """Return (service, rest) of a path below GATEWAY_PREFIX; raises GatewayError 404."""
    name, slash, rest = path.removeprefix(PREFIX).partition(b"/")
    first, _, below = rest.partition(b"/")
    known = path.startswith(PREFIX) and first in PATHS
    # Only v2 has paths below it, and none of them may climb out of it.
    climbs = any(part in (b"", b".", b"..") for part in below.split(b"/"))
    climbs = climbs or any(sign in below.lower() for sign in CLIMBS)
    if not (known and slash) or (below and (first != b"v2" or climbs)):
        raise GatewayError(404, "NotFound", "There is nothing at this path.")
    return name, rest
