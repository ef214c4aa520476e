"""Secrets at rest: sealed with a key derived from the studio's secret key."""

from __future__ import annotations

import base64
import functools
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Unavailable


@functools.lru_cache(maxsize=4)
def _box(secret_key: str) -> Fernet:
    derived = hashlib.sha256(b"slipway vault v1\0" + secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(derived))


def seal(text: str) -> str:
    """Encrypt a secret for the database."""
    return _box(settings.SECRET_KEY).encrypt(text.encode()).decode("ascii")


def unseal(sealed: str) -> str:
    """Decrypt what `seal` made.

    Raises: Unavailable: it was sealed under another secret key, or is damaged.
    """
    try:
        return _box(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except (InvalidToken, ValueError):
        raise Unavailable(
            _(
                "A stored secret cannot be read: it was encrypted with another secret key. "
                "Put the old secret.key back, or make the secret anew."
            ),
            code="secret_unreadable",
        ) from None
