"""Keys of a service: who is calling, by the SHA-256 hashes in auth.json."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from pathlib import Path

from serving.contract import AUTH_FILE, STUDIO_HEADER, AuthDocument
from serving.errors import ServingError
from serving.files import Stamp, read_json, stamp

log = logging.getLogger("serving.auth")

STUDIO_CALLERS = frozenset({"probe", "smoke", "test"})
CLIENT = "client"


class Keys:
    """The keys of auth.json, re-read when it changes; closed while it is missing or broken."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / AUTH_FILE
        self.version = 0  # of the document in force; 0: none
        self._enabled = True
        self._hashes: list[tuple[str, bytes]] = []
        self._stamp: Stamp | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Read the file again if it changed; returns whether the version in force changed."""
        found = stamp(self.path)
        if found == self._stamp:
            return False
        before, self._stamp = self.version, found
        try:
            document = read_json(self.path)
            hashes = _hashes(document)
            self.version, self._enabled, self._hashes = (
                int(document["version"]),
                document["enabled"] is not False,
                hashes,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("no key is accepted until auth.json is whole: %s", error)  # noqa: TRY400
            self.version, self._enabled, self._hashes = 0, True, []
        return self.version != before

    def caller(self, headers: Mapping[str, str], *, always: bool = False) -> str:
        """Return who calls: "client", or for the studio's key "studio", "probe", "smoke", "test".

        `always` asks for a key even where keys are turned off. Raises ServingError 401 for a
        missing or wrong key and 503 while there are no keys to compare with.
        """
        if not self.version:
            retry = {"retry-after": "1"}
            raise ServingError(503, "The keys of this service are not available now.", retry)
        name = self._match(headers.get("authorization", ""))
        if name == "studio":
            claimed = headers.get(STUDIO_HEADER, "")
            return claimed if claimed in STUDIO_CALLERS else "studio"
        if name is None and (self._enabled or always):
            challenge = {"www-authenticate": "Bearer"}
            text = "Send a valid key of this service as 'Authorization: Bearer <key>'."
            raise ServingError(401, text, challenge)
        return CLIENT

    def _match(self, authorization: str) -> str | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Header values are Latin-1 on the wire; back to the bytes that were sent.
        digest = hashlib.sha256(token.strip().encode("latin-1", "replace")).digest()
        found = None
        for name, known in self._hashes:  # every key is compared: no early exit
            if hmac.compare_digest(digest, known):
                found = name
        return found


def _hashes(document: AuthDocument) -> list[tuple[str, bytes]]:
    hashes = [(str(key["name"]), bytes.fromhex(key["sha256"])) for key in document["keys"]]
    if any(len(digest) != hashlib.sha256().digest_size for _, digest in hashes):
        raise ValueError("a key's sha256 is not 64 hexadecimal digits")
    return hashes
