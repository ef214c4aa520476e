"""Keys of a service as people ask for them: shown on request, replaced one at a time."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.access import keys
from deployments.changes import refresh
from deployments.control.wake import wake
from deployments.models import Service
from workspaces.errors import Invalid, NotFound
from workspaces.events import event_record


def service_keys(*, service: Service, user: User | None) -> dict[str, str]:
    """The plain keys, for showing once asked; leaves an Event."""
    event_record(
        kind="service.keys_shown",
        subject_type="service",
        subject=service.name,
        message=f"Keys of {service.name} were shown",
        actor=user,
    )
    return {name: keys.plain_key(service, name) for name in ("primary", "secondary")}


def service_keys_regenerate(*, service: Service, key: Any, user: User | None) -> None:
    """Replace one key. Replicas take it within a second of reconcile's next look.

    Args:
        key: "primary", "secondary", or "token" for what tokens are signed with: those that were
            given out stop working.
    Raises:
        Invalid: `key` is none of them. NotFound: the service is gone.
    """
    if key not in ("primary", "secondary", "token"):
        text = _("must be primary, secondary or token.")
        raise Invalid(f"key {text}", fields={"key": [text]})
    with transaction.atomic():
        row = Service.objects.select_for_update().filter(pk=service.pk).first()
        if row is None:
            raise NotFound(_("There is no such service."))
        row.keys = {**row.keys, key: keys.new_sealed()}
        row.keys_version += 1
        row.next_check_at = timezone.now()
        row.save(update_fields=["keys", "keys_version", "next_check_at"])
        event_record(
            kind="service.key_regenerated",
            subject_type="service",
            subject=service.name,
            message=f"The {key} key of {service.name} was regenerated",
            actor=user,
        )
    refresh(service)
    wake()
