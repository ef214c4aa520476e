"""Host ports of replicas: one unique row each, so that no two replicas ever get the same."""

from __future__ import annotations

import random
import socket

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deployments.drivers.base import NoCapacity
from deployments.models import Port, Revision

ATTEMPTS = 50


def port_for(revision: Revision, replica: int = 0, wanted: int | None = None) -> int:
    """The port held by this replica, taking one when it holds none.

    Args:
        wanted: a port the person asked for; used when nobody holds it.
    Raises:
        NoCapacity: no free port in SLIPWAY_PORT_RANGE.
    """
    held = Port.objects.filter(revision=revision, replica=replica).first()
    if held is not None:
        return held.number
    if wanted is not None and _take(wanted, revision, replica):
        return wanted
    numbers = settings.SLIPWAY.port_range
    for number in random.sample(numbers, min(ATTEMPTS, len(numbers))):
        if _is_free(number) and _take(number, revision, replica):
            return number
    held = Port.objects.filter(revision=revision, replica=replica).first()
    if held is not None:  # another process was first
        return held.number
    raise NoCapacity(_("No free port in SLIPWAY_PORT_RANGE; stop a service or widen the range."))


def port_release(revision: Revision, replica: int = 0) -> None:
    Port.objects.filter(revision=revision, replica=replica).delete()


def _take(number: int, revision: Revision, replica: int) -> bool:
    try:
        with transaction.atomic():
            Port.objects.create(number=number, revision=revision, replica=replica)
    except IntegrityError:
        return False
    return True


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True
