"""Keys of a service: who is calling, by the SHA-256 hashes in auth.json."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from serving.contract import AUTH_FILE, STUDIO_HEADER, AuthDocument
from serving.errors import ServingError
from serving.files import Stamp, read_json, stamp
from serving.tokens import Tokens

log = logging.getLogger("serving.auth")

STUDIO_CALLERS = frozenset({"probe", "smoke", "test"})
CLIENT = "client"
STUDIO = STUDIO_HEADER.encode("ascii")
MISSING_SECONDS = 3.0


class Keys:
    """The keys of auth.json, re-read when it changes; closed while it is missing or broken.

    Replacing a file inside a container is not one step: for MISSING_SECONDS a file that is not
    there, or cannot be read, changes nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / AUTH_FILE
        self.version = 0  # of the document in force; 0: none
        self._enabled = True
        self._hashes: list[tuple[str, bytes]] = []
        self._tokens: Tokens | None = None
        self._stamp: Stamp | None = None
        self._missing_since: float | None = None  # time.monotonic()
        self._told = ""
        self.refresh()

    @property
    def enabled(self) -> bool:
        """Whether a client needs a key."""
        return self._enabled

    def refresh(self) -> bool:
        """Read the file again if it changed; returns whether the version in force changed."""
        found = stamp(self.path)
        if found is not None and found == self._stamp:
            self._missing_since = None
            return False
        before = self.version
        try:
            self._apply(read_json(self.path))
        except OSError as error:  # gone or out of reach: the next look reads it again
            if not self._is_bearable():
                self._close(error)
            self._stamp = None
            return self.version != before
        except (ValueError, KeyError, TypeError) as error:
            self._close(error)
        self._missing_since, self._stamp = None, found
        return self.version != before

    def _apply(self, document: AuthDocument) -> None:
        hashes, settings = _hashes(document), document.get("tokens")
        self._tokens = None if settings is None else Tokens(settings)
        self._enabled, self._hashes = document["enabled"] is not False, hashes
        self.version = int(document["version"])
        self._told = ""

    def _close(self, error: Exception) -> None:
        if str(error) != self._told:  # once, however often it is looked at
            log.error("no key is accepted until auth.json is whole: %s", error)
        self._told = str(error)
        self.version, self._enabled, self._hashes, self._tokens = 0, True, [], None

    def _is_bearable(self) -> bool:
        if not self.version:
            return False
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        return now - self._missing_since < MISSING_SECONDS

    def caller(self, fields: Mapping[bytes, bytes], *, always: bool = False) -> str:
        """Return who calls: "client", or for the studio's key "studio", "probe", "smoke", "test".

        `fields` are headers by lower-case name; `always` asks for a key even where keys are turned
        off. Raises ServingError 401 for a missing or wrong key or token, and 503 while there are no
        keys to compare with.
        """
        if not self.version:
            retry = {"retry-after": "1"}
            raise ServingError(503, "The keys of this service are not available now.", retry)
        name = self._match(fields.get(b"authorization", b""))
        if name == "studio":
            claimed = fields.get(STUDIO, b"").decode("latin-1")
            return claimed if claimed in STUDIO_CALLERS else "studio"
        if name is None and (self._enabled or always):
            challenge = {"www-authenticate": "Bearer"}
            text = "Send a valid key of this service as 'Authorization: Bearer <key>'."
            raise ServingError(401, text, challenge)
        return CLIENT

    def _match(self, authorization: bytes) -> str | None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = token.strip()
        digest = hashlib.sha256(token).digest()
        found = None
        for name, known in self._hashes:  # every key is compared: no early exit
            if hmac.compare_digest(digest, known):
                found = name
        if found is None and self._tokens is not None and self._tokens.accepts(token):
            found = "token"
        return found


def _hashes(document: AuthDocument) -> list[tuple[str, bytes]]:
    hashes = [(str(key["name"]), bytes.fromhex(key["sha256"])) for key in document["keys"]]
    if any(len(digest) != hashlib.sha256().digest_size for _, digest in hashes):
        raise ValueError("a key's sha256 is not 64 hexadecimal digits")
    return hashes
