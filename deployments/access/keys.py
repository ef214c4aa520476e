"""Keys of a service: made here, kept encrypted, shown to people on request."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

from deployments.configuring import configuration
from deployments.models import Revision, Service
from serving.contract import AuthDocument, KeyHash
from workspaces.vault import seal, unseal

KeyName = Literal["primary", "secondary", "studio", "token"]
NAMES: tuple[KeyName, ...] = ("primary", "secondary", "studio", "token")
KEYS: tuple[Literal["primary", "secondary", "studio"], ...] = ("primary", "secondary", "studio")


def new_key() -> str:
    """32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)


def new_sealed() -> str:
    """A new key as the database keeps it."""
    return seal(new_key())


def new_keys() -> dict[str, str]:
    """Fresh keys of a new service, sealed, by name."""
    return {name: new_sealed() for name in NAMES}


def plain_key(service: Service, name: KeyName) -> str:
    return unseal(service.keys[name])


def token_secret(service: Service) -> bytes:
    """What this service's tokens are signed with (HMAC-SHA-256)."""
    return plain_key(service, "token").encode()


def auth_document(service: Service, revision: Revision) -> AuthDocument:
    """What a replica must know to check callers; of keys it holds hashes only.

    Who may call belongs to the revision. With tokens alone, the callers' keys are left out; the
    studio's own stays, for probes and the Test tab.
    """
    wish = configuration.from_dict(revision.deployment)
    tokens_only = wish.token_auth_enabled and not wish.auth_enabled
    hashes: list[KeyHash] = [
        {"name": name, "sha256": hashlib.sha256(plain_key(service, name).encode()).hexdigest()}
        for name in (("studio",) if tokens_only else KEYS)
    ]
    document: AuthDocument = {
        "version": service.keys_version,
        "enabled": wish.auth_enabled or wish.token_auth_enabled,
        "keys": hashes,
    }
    if wish.token_auth_enabled:
        secret = token_secret(service).hex()
        document["tokens"] = {"secret": secret, "audience": service.name}
    return document
