"""What a studio has from its first start: a workspace and an administrator."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from workspaces.events import event_record
from workspaces.models import Membership, Role, Workspace
from workspaces.users import random_password

ADMIN = "admin"
DEFAULT_WORKSPACE = "default"


def workspace_default() -> Workspace:
    """The one workspace that exists by itself."""
    return Workspace.objects.get_or_create(name=DEFAULT_WORKSPACE)[0]


def ensure_admin(password: str = "") -> str | None:
    """Make the default workspace, and `admin` where no user exists yet.

    Args:
        password: of the new administrator; SLIPWAY_ADMIN_PASSWORD, else a random one, when empty.
    Returns: the random password, to be shown once; None when nobody was made or it is known.
    """
    wanted = password or settings.SLIPWAY.admin_password
    with transaction.atomic():
        workspace = workspace_default()
        users = get_user_model()
        if users.objects.exists():
            return None
        plain = wanted or random_password()
        user = users.objects.create_superuser(username=ADMIN, password=plain)
        Membership.objects.create(workspace=workspace, user=user, role=Role.OWNER)
        event_record(
            kind="user.created",
            subject_type="user",
            subject=ADMIN,
            message="The first administrator was made.",
        )
    return None if wanted else plain
