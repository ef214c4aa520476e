"""Who signs a request to the API: a bearer token, or the session of the pages. Both answer 401."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from workspaces.tokens import token_authenticate

CHALLENGE = 'Bearer realm="Slipway"'


class BearerTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer TOKEN`. A token that is not valid is refused, never passed over."""

    def authenticate(self, request: Request) -> tuple[Any, str] | None:
        scheme, _space, value = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        user = token_authenticate(value.strip().decode("latin-1"))
        if user is None:
            raise AuthenticationFailed(_("The token is not valid: it is wrong or revoked."))
        return user, "token"

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SessionAuthentication401(SessionAuthentication):
    """Django's session with its CSRF check; answers 401 with a challenge, as clients expect."""

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
