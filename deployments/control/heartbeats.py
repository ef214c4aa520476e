"""Heartbeats of workers and beat, for Admin > Overview and for `manage.py doctor`."""

from __future__ import annotations

import threading
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from deployments.models import Heartbeat

SECONDS = 5.0
_done = threading.Event()


def write(name: str, kind: str, data: dict[str, Any] | None = None) -> None:
    Heartbeat.objects.update_or_create(
        name=name,
        defaults={
            "kind": kind,
            "node": settings.DATA.node_id,
            "at": timezone.now(),
            "data": data or {},
        },
    )


def beat_ticked() -> None:
    write(f"beat@{settings.DATA.node_id}", "beat")


def _keep_writing(name: str, kind: str) -> None:
    while True:
        try:
            write(name, kind)
        except DatabaseError:
            pass  # the database is away; Overview shows that by the heartbeat's age
        finally:
            connection.close()
        if _done.wait(SECONDS):
            return


@worker_ready.connect
def _start(sender: Any, **_: Any) -> None:
    name = str(sender.hostname)
    kind = name.split("@", 1)[0]
    threading.Thread(target=_keep_writing, args=(name, kind), daemon=True).start()
    if kind == "control":
        from deployments.tasks import sweep

        sweep.apply_async(queue="control")


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    _done.set()
