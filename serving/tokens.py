"""Tokens beside keys: JSON Web Tokens (RFC 7519) signed with HMAC SHA-256 (RFC 7515, HS256).

Verified by hand with the standard library: one algorithm and two claims are 40 lines, where PyJWT
imports `cryptography` when the model's environment has it, which costs every start more than this
whole runtime does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

from serving.contract import TokenSettings

if TYPE_CHECKING:  # newer than Python 3.9
    from typing import TypeGuard

MIN_SECRET = 32  # bytes; RFC 7518 §3.2 asks for as many as the hash has
MAX_TOKEN = 4096  # bytes
LEEWAY = 10.0  # seconds that the signer's clock may be off


class Tokens:
    """Which tokens open a service.

    Raises ValueError, TypeError or KeyError for settings that are not whole.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._secret = bytes.fromhex(settings["secret"])
        self._audience = str(settings["audience"])
        if len(self._secret) < MIN_SECRET or not self._audience:
            raise ValueError(f"a token's secret needs {MIN_SECRET} bytes, and an audience")

    def accepts(self, token: bytes) -> bool:
        """Whether the token is ours: HS256, signed with the secret, for this service, not over."""
        parts = token.split(b".")
        if len(parts) != 3 or len(token) > MAX_TOKEN:
            return False
        try:
            signed = hmac.new(self._secret, b".".join(parts[:2]), hashlib.sha256).digest()
            if not hmac.compare_digest(signed, _decoded(parts[2])):
                return False
            header, claims = json.loads(_decoded(parts[0])), json.loads(_decoded(parts[1]))
        except (ValueError, RecursionError):
            return False
        if not isinstance(header, dict) or not isinstance(claims, dict):
            return False
        return header.get("alg") == "HS256" and "crit" not in header and self._is_valid(claims)

    def _is_valid(self, claims: dict[str, Any]) -> bool:
        audience, now = claims.get("aud"), time.time()
        audiences = audience if isinstance(audience, list) else [audience]
        ends, begins = claims.get("exp"), claims.get("nbf", 0)
        if not (_is_time(ends) and _is_time(begins)):
            return False
        return self._audience in audiences and begins - LEEWAY <= now < ends + LEEWAY


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
