"""API tokens: made once, shown once, kept only as SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.events import event_record
from workspaces.models import ApiToken

PREFIX = "slw_"  # so that secret scanners can find one that leaked
LONGEST_NAME = 100
MOST_PER_USER = 100
_USED_EVERY = timedelta(minutes=1)  # last_used_at is written no more often


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def token_create(*, user: Any, name: str) -> tuple[ApiToken, str]:
    """Make a token of a user.

    Returns: the row, and the token itself, which nobody can read again.
    Raises:
        Invalid: the name is empty or too long.
        Conflict: the user has MOST_PER_USER valid tokens.
    """
    clean = name.strip()
    if not clean or len(clean) > LONGEST_NAME or not clean.isprintable():
        sentence = _("Give the token a name of 1 to %(most)d letters.") % {"most": LONGEST_NAME}
        raise Invalid(sentence, fields={"name": [sentence]})
    plain = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        if tokens_of(user).count() >= MOST_PER_USER:
            raise Conflict(_("You have 100 tokens. Revoke one that is no longer used first."))
        row = ApiToken.objects.create(
            user=user, name=clean, sha256=_digest(plain), prefix=plain[:8]
        )
        event_record(
            kind="token.created",
            subject_type="user",
            subject=user.get_username(),
            message=_("Token “%(name)s” was made.") % {"name": clean},
            actor=user,
        )
    return row, plain


def tokens_of(user: Any) -> QuerySet[ApiToken]:
    """Valid tokens of a user, newest first."""
    return ApiToken.objects.filter(user=user, revoked_at=None).order_by("-id")


def token_revoke(*, user: Any, token_id: int) -> ApiToken:
    """End one of the user's own tokens at once.

    Raises: NotFound: it is not theirs, or already revoked.
    """
    with transaction.atomic():
        row = tokens_of(user).filter(pk=token_id).first()
        changed = row and tokens_of(user).filter(pk=token_id).update(revoked_at=timezone.now())
        if row is None or not changed:
            raise NotFound(_("You have no such token. Perhaps it is already revoked."))
        event_record(
            kind="token.revoked",
            subject_type="user",
            subject=user.get_username(),
            message=_("Token “%(name)s” was revoked.") % {"name": row.name},
            actor=user,
        )
    return row


def token_authenticate(plain: str) -> Any | None:
    """Return the active user of a valid token, else None. Never cached: a revoked one ends now."""
    if not plain.startswith(PREFIX) or len(plain) > 200:
        return None
    row = (
        ApiToken.objects.select_related("user")
        .filter(sha256=_digest(plain), revoked_at=None, user__is_active=True)
        .first()
    )
    if row is None:
        return None
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > _USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_EVERY)
        ApiToken.objects.filter(stale, pk=row.pk).update(last_used_at=now)
    return row.user
