"""Names of the headers of the v1 contract, and the request's headers as a script sees them."""

from __future__ import annotations

from collections.abc import Iterable

CLIENT_ID = "x-ms-client-request-id"
LEGACY_ID = "x-ms-request-id"
TRACE_ID = "traceid"
RUN_FAILED = "x-ms-run-function-failed"
RUN_MS = "x-ms-run-fn-exec-ms"
SERVER_VERSION = "x-ms-server-version"

# A script's own headers may not stand in for these: they are the server's.
RESERVED = frozenset(
    {
        "x-request-id",
        CLIENT_ID,
        LEGACY_ID,
        TRACE_ID,
        RUN_FAILED,
        RUN_MS,
        SERVER_VERSION,
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "transfer-encoding",
        "upgrade",
    }
)
HIDDEN = frozenset({"x-slipway-caller"})


class RequestHeaders(dict[str, str]):
    """A dict of headers with names As-Flask-Writes-Them, found in any case."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[bytes, bytes]], *, hide_key: bool) -> RequestHeaders:
        """Return the headers of an ASGI scope; `hide_key` leaves Authorization out."""
        made = cls()
        for raw_name, raw_value in pairs:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in HIDDEN or (hide_key and name == "authorization"):
                continue
            title = "-".join(part.capitalize() for part in name.split("-"))
            made[title] = f"{made[title]},{value}" if title in made else value
        return made

    def _key(self, name: object) -> object:
        return (
            "-".join(part.capitalize() for part in name.split("-"))
            if isinstance(name, str)
            else name
        )

    def __missing__(self, name: str) -> str:
        """Find the header whatever the case it is asked for in; raises KeyError."""
        key = str(self._key(name))
        if key == name:
            raise KeyError(name)
        return dict.__getitem__(self, key)

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, self._key(name))

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return the header's value, or the default."""
        return dict.get(self, str(self._key(name)), default)
