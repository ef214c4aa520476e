"""Who asks the proxy to MLflow, and from where. Reads the database; run it in a thread."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare

from workspaces.tokens import token_authenticate


@dataclass(frozen=True)
class Caller:
    """A person or program that may use MLflow.

    `by_cookie`: the browser signed the request by itself, so its origin must be checked.
    """

    username: str
    by_cookie: bool


def header(scope: Any, name: bytes) -> str:
    """First value of a request header; empty when absent."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


def caller_of(authorization: str, cookie: str) -> Caller | None:
    """Find who signed a request: an API token (Bearer, or Basic's password), else a session.

    Given credentials that are wrong are an answer of their own: no session is looked up then.
    """
    if authorization:
        token = token_of(authorization)
        user = token_authenticate(token) if token else None
        return Caller(user.get_username(), by_cookie=False) if user else None
    user = _session_user(cookie)
    return Caller(user.get_username(), by_cookie=True) if user else None


def token_of(authorization: str) -> str:
    """The token inside an Authorization header; empty where there is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]


def _session_user(cookie: str) -> Any | None:
    try:
        morsel = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    if morsel is None:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(morsel.value)
    user_id = session.get(SESSION_KEY)
    if user_id is None or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return None
    # a changed password ends the sessions made before, as in Django's own get_user
    known = session.get(HASH_SESSION_KEY) or ""
    valid = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(known, one) for one in valid) else None


def host_is_allowed(host: str) -> bool:
    """Whether the Host header is a name that this studio answers to (Django's own rule)."""
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def is_same_origin(scope: Any) -> bool:
    """Whether a cookie-signed write comes from a page of this studio.

    Browsers send Origin with every write. One that sends neither Origin nor Sec-Fetch-Site is no
    browser of today and gets no benefit of the doubt.
    """
    site = header(scope, b"sec-fetch-site")
    if site and site != "same-origin":
        return False
    origin = header(scope, b"origin")
    if not origin:
        return site == "same-origin"
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc == header(scope, b"host")
