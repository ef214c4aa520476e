"""The control loop: step due services until it is quiet, at most two loops per node."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from deployments.control import background, reconcile
from deployments.models import Service

logger = logging.getLogger(__name__)

SLOTS = 2  # control workers; a third loop would only wait for leases
BUDGET_SECONDS = 4.0  # everything on the control queue ends within 5 s
QUIET_SECONDS = 0.6  # nothing due for this long: leave the rest to beat and wake-ups
PAUSE_SECONDS = 0.05


def run() -> bool:
    """Step due services; True when something is due so soon that another loop should follow."""
    with _slot() as slot:
        if slot is None:
            return False
        reconcile.leases_release(slot)
        end = time.monotonic() + BUDGET_SECONDS
        while time.monotonic() < end:
            background.advance_all()
            for service_id in reconcile.due():
                reconcile.step(service_id, holder=slot)
                if time.monotonic() >= end:
                    return True
            wait = _seconds_to_next()
            if wait is None or wait > QUIET_SECONDS:
                return False
            time.sleep(max(PAUSE_SECONDS, min(wait, 0.2)))
    return True


def _seconds_to_next() -> float | None:
    own = Service.objects.filter(target__node=settings.DATA.node_id)
    nearest = own.aggregate(at=Min("next_check_at"))["at"]
    if nearest is None:
        return None
    return float((nearest - timezone.now()).total_seconds())


@contextmanager
def _slot() -> Iterator[str | None]:
    """The name of a slot that this process alone holds, or None when all are taken."""
    folder = settings.DATA.run
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SLOTS):
        stream = (folder / f"control-{number}.lock").open("a")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            continue
        with stream:
            yield f"control-{number}"
        return
    yield None
