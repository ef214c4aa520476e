"""Sign-in attempts are limited; every failure is an Event, which is the memory of the limit."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from workspaces.events import event_record
from workspaces.models import Event, EventLevel

FAILED = "user.sign_in_failed"
WINDOW = timedelta(minutes=15)
MOST_PER_USER_AND_ADDRESS = 10
MOST_PER_ADDRESS = 60


def sign_in_problem(*, username: str, address: str) -> str:
    """Return why this person may not try now, as a sentence; empty when they may."""
    recent = _failures(address)
    own = recent.filter(subject=_subject(username))
    for rows, most in ((own, MOST_PER_USER_AND_ADDRESS), (recent, MOST_PER_ADDRESS)):
        times = list(rows.order_by("-at").values_list("at", flat=True)[:most])
        if len(times) == most:
            return _("Too many failed attempts. Try again in %(minutes)d minutes.") % {
                "minutes": _minutes_until(times[-1] + WINDOW)
            }
    return ""


def sign_in_failed(*, username: str, address: str) -> None:
    """Write down a failed attempt."""
    event_record(
        kind=FAILED,
        subject_type="user",
        subject=_subject(username),
        message=_("Sign-in failed."),
        level=EventLevel.WARNING,
        data={"address": address},
    )


def _failures(address: str) -> QuerySet[Event]:
    since = timezone.now() - WINDOW
    return Event.objects.filter(kind=FAILED, at__gt=since, data__address=address)


def _minutes_until(moment: datetime) -> int:
    return max(1, -(-int((moment - timezone.now()).total_seconds()) // 60))


def _subject(username: str) -> str:
    """The name of a user; of a name that nobody has only a digest: it may be a password."""
    known = get_user_model().objects.filter(username=username).exists()
    return username if known else "unknown:" + hashlib.sha256(username.encode()).hexdigest()[:16]
