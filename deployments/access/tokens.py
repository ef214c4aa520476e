"""Tokens of a service: short-lived, signed with the service's own secret, checked by its replicas.

JSON Web Tokens (RFC 7519), HMAC with SHA-256. v1: `AksWebservice.get_token`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.access import keys
from deployments.configuring import configuration
from deployments.models import Service
from workspaces.errors import Conflict
from workspaces.events import event_record

ALGORITHM = "HS256"
REFRESH_SHARE = 0.8  # of its life, after which a client asks for the next token


@dataclass(frozen=True)
class Token:
    """A token with the time it stops working and the time to ask for the next."""

    access_token: str
    expires_at: datetime
    refresh_after: datetime
    token_type: str = "Bearer"  # noqa: S105 (the scheme of the header)


def tokens_enabled(service: Service) -> bool:
    """Whether the revision that serves, or shall serve first, accepts tokens."""
    revision = service.active or service.wanted
    stored = revision.deployment if revision else {}
    return configuration.from_dict(stored).token_auth_enabled


def service_token(*, service: Service, user: User | None) -> Token:
    """A new token for the callers of this service; leaves an Event.

    Raises:
        Conflict: the service takes no tokens.
    """
    if not tokens_enabled(service):
        raise Conflict(
            _("This service takes no tokens; turn token authentication on in its settings."),
            code="tokens_off",
        )
    now = timezone.now().replace(microsecond=0)
    life = timedelta(seconds=settings.SLIPWAY.token_lifetime_s)
    claims = {
        "iss": "slipway",
        "aud": service.name,
        "iat": now,
        "exp": now + life,
        **({"sub": user.get_username()} if user else {}),
    }
    event_record(
        kind="service.token_issued",
        subject_type="service",
        subject=service.name,
        message=f"A token of {service.name} was issued",
        actor=user,
    )
    signed = jwt.encode(claims, keys.token_secret(service), algorithm=ALGORITHM)
    return Token(signed, now + life, now + life * REFRESH_SHARE)
