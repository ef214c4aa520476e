"""Users: made by an administrator, with a password that is shown once."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.events import event_record
from workspaces.models import Membership, Role, Workspace

_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike


def random_password() -> str:
    """20 letters and digits: 115 bits."""
    return "".join(secrets.choice(_LETTERS) for _ignored in range(20))


def users_list() -> QuerySet[Any]:
    """All users by name, each with `token_count`, its valid tokens."""
    valid = Count("apitoken", filter=Q(apitoken__revoked_at=None))
    return get_user_model().objects.annotate(token_count=valid).order_by("username")


def user_get(username: str) -> Any:
    """Raises: NotFound."""
    user = get_user_model().objects.filter(username=username).first()
    if user is None:
        raise NotFound(_("There is no user “%(name)s”.") % {"name": username})
    return user


def user_create(
    *, username: str, is_staff: bool = False, email: str = "", password: str = "", actor: Any = None
) -> tuple[Any, str]:
    """Make a user of the default workspace.

    Args:
        is_staff: may administer: users, operations, overview.
        password: a random one is made when empty.
    Returns: the user, and the password, which nobody can read again.
    Raises:
        Invalid: all violations by field.
        Conflict: the name is taken.
    """
    plain = password or random_password()
    user = get_user_model()(username=username.strip(), email=email.strip(), is_staff=is_staff)
    user.is_superuser = is_staff
    user.set_password(plain)
    _validate(user)
    taken = _("There is already a user “%(name)s”.") % {"name": user.username}
    try:
        with transaction.atomic():
            if get_user_model().objects.filter(username__iexact=user.username).exists():
                raise Conflict(taken, fields={"username": [taken]})
            user.save()
            workspace, _made = Workspace.objects.get_or_create(name="default")
            role = Role.OWNER if is_staff else Role.CONTRIBUTOR
            Membership.objects.create(workspace=workspace, user=user, role=role)
            _record("user.created", user, _("The user was made."), actor)
    except IntegrityError:
        raise Conflict(taken, fields={"username": [taken]}) from None
    return user, plain


def _validate(user: Any) -> None:
    try:
        user.full_clean(exclude=["password"], validate_unique=False)
    except ValidationError as error:
        fields = dict(error.message_dict)
        raise Invalid(_("The user cannot be made."), fields=fields) from None


def user_reset_password(*, username: str, actor: Any = None) -> str:
    """Give a user a new random password; sessions made before end. Returns it, shown once.

    Raises: NotFound.
    """
    user = user_get(username)
    plain = random_password()
    with transaction.atomic():
        user.set_password(plain)
        user.save(update_fields=["password"])
        _record("user.password_reset", user, _("The password was reset."), actor)
    return plain


def user_set_active(*, username: str, active: bool, actor: Any = None) -> Any:
    """Let a user in again, or out: sessions and tokens stop at once.

    Raises:
        NotFound.
        Conflict: it would be yourself, or the last administrator.
    """
    with transaction.atomic():
        user = user_get(username)
        if not active:
            _check_may_deactivate(user, actor)
        changed = get_user_model().objects.filter(pk=user.pk).exclude(is_active=active)
        if changed.update(is_active=active):
            kind = "user.activated" if active else "user.deactivated"
            text = _("The user may sign in again.") if active else _("The user was deactivated.")
            _record(kind, user, text, actor)
    user.is_active = active
    return user


def _check_may_deactivate(user: Any, actor: Any) -> None:
    if actor is not None and actor.pk == user.pk:
        raise Conflict(_("You cannot deactivate yourself."))
    others = get_user_model().objects.filter(is_staff=True, is_active=True).exclude(pk=user.pk)
    if user.is_staff and not others.exists():
        raise Conflict(_("This is the last administrator. Make another one first."))


def _record(kind: str, user: Any, message: str, actor: Any) -> None:
    event_record(
        kind=kind, subject_type="user", subject=user.username, message=message, actor=actor
    )
