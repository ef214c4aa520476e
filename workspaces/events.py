"""The record of what happened. Rows are only added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workspaces.models import Event, EventLevel

_LONGEST = {field: Event._meta.get_field(field).max_length for field in ("kind", "subject")}


def event_record(
    *,
    kind: str,
    subject_type: str,
    subject: str,
    message: str,
    actor: Any = None,
    level: str = EventLevel.INFO,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Write down one thing that happened; call it inside the transaction of the change itself.

    Args:
        kind: for programs, "service.state"; at most 64 letters.
        subject_type, subject: what it is about; outlives the thing itself.
        message: for people. Never a secret.
        actor: the user who did it; None for the studio itself.
        data: JSON-able details.
    """
    return Event.objects.create(
        kind=kind[: _LONGEST["kind"]],
        level=level,
        subject_type=subject_type,
        subject=subject[: _LONGEST["subject"]],
        message=message,
        data=dict(data or {}),
        actor=actor if getattr(actor, "pk", None) else None,
    )
