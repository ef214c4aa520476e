"""Keys of a service: made here, kept encrypted, shown to people on request."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

from deployments.models import Service
from serving.contract import AuthDocument, KeyHash
from workspaces.vault import seal, unseal

KeyName = Literal["primary", "secondary", "studio"]
NAMES: tuple[KeyName, ...] = ("primary", "secondary", "studio")


def new_key() -> str:
    """32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)


def new_keys() -> dict[str, str]:
    """Fresh keys of a new service, sealed, by name."""
    return {name: seal(new_key()) for name in NAMES}


def plain_key(service: Service, name: KeyName) -> str:
    return unseal(service.keys[name])


def auth_document(service: Service) -> AuthDocument:
    """What a replica must know to check keys; holds hashes only."""
    hashes: list[KeyHash] = [
        {"name": name, "sha256": hashlib.sha256(plain_key(service, name).encode()).hexdigest()}
        for name in NAMES
    ]
    return {"version": service.keys_version, "enabled": service.auth_enabled, "keys": hashes}
