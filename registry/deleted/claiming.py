"""One at a time: of all who restore or remove a deleted version, one does it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from registry.models import DeletedVersion
from workspaces.errors import Conflict, NotFound

LONGEST = timedelta(minutes=10)  # that a restore takes; then its process was killed


@contextmanager
def claimed(row: DeletedVersion) -> Iterator[bool]:
    """Have a row to oneself.

    Yields:
        Whether somebody began before and did not end: part of the work may be done.
    Raises:
        Conflict: somebody else is at it.
        NotFound: somebody else has done it.
    """
    own, now = uuid.uuid4().hex, timezone.now()
    free = Q(claim="") | Q(claimed_at__lt=now - LONGEST)
    rows = DeletedVersion.objects.filter(free, pk=row.pk, gone=True)
    if not rows.update(claim=own, claimed_at=now, attempts=F("attempts") + 1):
        if not DeletedVersion.objects.filter(pk=row.pk).exists():
            raise NotFound(_("It was restored, or removed for good, a moment ago."))
        words = {"name": row.name, "version": row.version}
        text = _("Version %(version)s of “%(name)s” is just being restored or removed.")
        raise Conflict(text % words, code="busy")
    mine = DeletedVersion.objects.filter(pk=row.pk, claim=own)
    try:
        yield mine.filter(attempts__gt=1).exists()
    finally:
        mine.update(claim="")
