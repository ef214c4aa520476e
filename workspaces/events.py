"""The record of what happened. Rows are only added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workspaces.models import Event, EventLevel

LONGEST_KIND = 64  # of the columns
LONGEST_SUBJECT = 512


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
        kind=kind[:LONGEST_KIND],
        level=level,
        subject_type=subject_type,
        subject=subject[:LONGEST_SUBJECT],
        message=message,
        data=dict(data or {}),
        actor=actor if getattr(actor, "pk", None) else None,
    )
