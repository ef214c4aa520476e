"""Host ports of replicas: one unique row each, so that no two replicas ever get the same."""

from __future__ import annotations

import random
import socket

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deployments.drivers.base import NoCapacity
from deployments.models import Port, Revision, Service

ATTEMPTS = 50


def port_for(revision: Revision, replica: int = 0, wanted: int | None = None) -> int:
    """The port held by this replica, taking one when it holds none.

    Args:
        wanted: a port the person asked for. While an earlier revision of the same service still
            serves on it, another is taken.
    Raises:
        NoCapacity: another service has the wanted port, or SLIPWAY_PORT_RANGE has no free one.
    """
    held = Port.objects.filter(revision=revision, replica=replica).first()
    if held is not None:
        return held.number
    if wanted is not None and _take(wanted, revision, replica):
        return wanted
    if wanted is not None and (other := _user(wanted, besides=revision.service)):
        text = _("Port %(port)s is in use by the service %(name)s.")
        raise NoCapacity(text % {"port": wanted, "name": other})
    numbers = settings.SLIPWAY.port_range
    for number in random.sample(numbers, min(ATTEMPTS, len(numbers))):
        if is_free(number) and _take(number, revision, replica):
            return number
    held = Port.objects.filter(revision=revision, replica=replica).first()
    if held is not None:  # another process was first
        return held.number
    raise NoCapacity(_("No free port in SLIPWAY_PORT_RANGE; stop a service or widen the range."))


def holder(number: int, besides: Service | None = None) -> str:
    """Name of a service that has this port or asks for it, stopped or not; "" when none does."""
    if name := _user(number, besides):
        return name
    asking = Service.objects.filter(wanted__deployment__port=number)
    found = (asking.exclude(pk=besides.pk) if besides else asking).first()
    return found.name if found else ""


def _user(number: int, besides: Service | None = None) -> str:
    rows = Port.objects.filter(number=number).select_related("revision__service")
    row = rows.exclude(revision__service=besides).first() if besides else rows.first()
    return row.revision.service.name if row else ""


def port_release(revision: Revision, replica: int = 0) -> None:
    Port.objects.filter(revision=revision, replica=replica).delete()


def _take(number: int, revision: Revision, replica: int) -> bool:
    try:
        with transaction.atomic():
            Port.objects.create(number=number, revision=revision, replica=replica)
    except IntegrityError:
        return False
    return True


def is_free(number: int) -> bool:
    """Whether nothing listens on this port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True
