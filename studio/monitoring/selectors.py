"""What Admin > Overview shows. Each part is asked for alone; none waits longer than 3 s."""

from __future__ import annotations

import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.choices import ServiceState
from deployments.models import Heartbeat, Operation, Service
from workspaces import tracking
from workspaces.errors import Problem

ALIVE_FOR = timedelta(seconds=20)  # heartbeats are written every 5 s
BEAT_FOR = timedelta(seconds=15)  # beat ticks every 2 s
FORGOTTEN_AFTER = timedelta(days=1)
QUEUES = ("control", "steps")
PACKAGES = ("slipway-studio", "mlflow", "Django", "celery", "redis", "docker", "uvicorn")
FOLDERS = ("models", "environments", "services", "operations", "artifacts", "collected", "tmp")
REDIS_TIMEOUT_S = 2


@dataclass(frozen=True)
class Health:
    """One part: `level` is success, warning or danger; `detail` a sentence."""

    name: str
    level: str
    detail: str


def services_by_state() -> list[tuple[str, int]]:
    """Every state with the number of services in it; one query."""
    rows = Service.objects.values_list("state").annotate(count=Count("id"))
    counts = dict(rows.order_by())
    return [(state, counts.get(state, 0)) for state in ServiceState.values]


def operations_recent() -> dict[str, int]:
    """Operations of the last day by status, and those that are open."""
    since = timezone.now() - timedelta(days=1)
    recent = Operation.objects.filter(created_at__gte=since)
    counts = dict(recent.order_by().values_list("status").annotate(count=Count("id")))
    return {
        "open": Operation.objects.filter(status="Running").count(),
        "succeeded": counts.get("Succeeded", 0),
        "failed": counts.get("Failed", 0) + counts.get("TimedOut", 0),
    }


def processes() -> list[dict[str, Any]]:
    """Workers, beat and whatever else writes heartbeats, with whether it lives."""
    now = timezone.now()
    rows = Heartbeat.objects.filter(at__gte=now - FORGOTTEN_AFTER).order_by("kind", "name")
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "node": row.node,
            "at": row.at,
            "data": row.data,
            "alive": now - row.at <= (BEAT_FOR if row.kind == "beat" else ALIVE_FOR),
        }
        for row in rows
    ]


def process_health(found: list[dict[str, Any]]) -> list[Health]:
    """A worker of each queue and beat must live; says what does not happen when one is missing."""
    living = {row["kind"] for row in found if row["alive"]}
    wanted = {
        "control": _("No control worker lives: services are not watched and nothing is deployed."),
        "steps": _("No steps worker lives: environments and images are not built."),
        "beat": _("Beat does not tick: nothing is looked at by itself."),
    }
    return [Health(kind, "danger", text) for kind, text in wanted.items() if kind not in living]


def redis_client() -> redis.Redis:
    """A client of the broker with short timeouts."""
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://")
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
    )
    return client


def queue_lengths() -> dict[str, int]:
    """Messages that wait, by queue.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    with redis_client() as client:
        return {queue: int(client.llen(queue)) for queue in QUEUES}


def _timed(name: str, ask: Callable[[], str], errors: tuple[type[Exception], ...]) -> Health:
    started = time.monotonic()
    try:
        detail = ask()
    except errors as error:
        text = getattr(error, "message", "") or str(error) or type(error).__name__
        return Health(name, "danger", " ".join(text.split())[:300])
    millis = (time.monotonic() - started) * 1000
    return Health(name, "success", f"{detail} ({millis:.0f} ms)")


def database_health() -> Health:
    def ask() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        return _("%(engine)s answers") % {"engine": connection.display_name}

    return _timed(_("Database"), ask, (DatabaseError,))


def redis_health() -> Health:
    def ask() -> str:
        with redis_client() as client:
            known = client.info("server")
        return _("Redis %(version)s answers") % {"version": known["redis_version"]}

    return _timed("Redis", ask, (redis.RedisError, OSError, ValueError))


def mlflow_health() -> Health:
    def ask() -> str:
        tracking.ping()
        return _("The tracking store answers")

    return _timed("MLflow", ask, (Problem,))


def disk() -> dict[str, Any]:
    """Space of the disk that holds the data folder, and whether work is refused."""
    root: Path = settings.DATA.root
    usage = shutil.disk_usage(root if root.exists() else "/")
    least = settings.SLIPWAY.min_free_bytes
    return {
        "root": str(root),
        "total": usage.total,
        "free": usage.free,
        "percent": round((usage.total - usage.free) / usage.total * 100),
        "least": least,
        "low": usage.free < least,
    }


def folder_sizes(budget_s: float = 2.0) -> tuple[list[tuple[str, int]], bool]:
    """Bytes in the data folder's parts, and False when time ran out before all was counted."""
    until = time.monotonic() + budget_s
    sizes: list[tuple[str, int]] = []
    for name in FOLDERS:
        size = 0
        for path in (settings.DATA.root / name).rglob("*"):
            if time.monotonic() > until:
                return [*sizes, (name, size)], False
            try:
                state = path.lstat()
            except OSError:  # removed meanwhile
                continue
            size += state.st_size
        if size:
            sizes.append((name, size))
    return sizes, True


def versions() -> list[tuple[str, str]]:
    """Names and versions of what runs here."""
    rows = [("Python", platform.python_version()), (_("System"), platform.platform(terse=True))]
    for name in PACKAGES:
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:  # run from the source folder
            continue
    rows.append((_("Interpreter"), sys.executable))
    return rows
