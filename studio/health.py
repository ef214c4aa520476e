"""Is the studio whole? Each engine is asked once, with a timeout; nothing here raises.

Used by `GET /api/v1/health` and by Admin > Overview. Messages hold no paths and no addresses:
the first needs no token.
"""

from __future__ import annotations

import http.client
import logging
import shutil
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import redis
import requests
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from django.utils.translation import gettext as _
from redis.backoff import NoBackoff
from redis.retry import Retry

from deployments.models import Heartbeat

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0
HEARTBEAT_IS_FRESH = timedelta(seconds=20)  # workers write every 5 s
PROCESSES = ("control", "steps", "beat")


@dataclass(frozen=True)
class Check:
    """One engine. `message` is empty when it is well."""

    name: str
    ok: bool
    message: str = ""


@dataclass(frozen=True)
class Health:
    """`status`: "ok"; "degraded", pages and scoring work but something is missing; "failed"."""

    status: str
    checks: tuple[Check, ...]


def health() -> Health:
    """Ask every engine. Takes at most some seconds, milliseconds when all is well."""
    checks = (
        tuple(check() for check in (database_check, redis_check, tracking_check, disk_check))
        + processes_check()
    )
    if not checks[0].ok:
        return Health("failed", checks)
    return Health("ok" if all(check.ok for check in checks) else "degraded", checks)


def database_check() -> Check:
    """The studio's own database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as error:
        logger.warning("The database does not answer: %s", error)
        return Check("database", False, _("The database does not answer."))
    return Check("database", True)


def redis_client() -> redis.Redis:
    """A client of the broker that gives up quickly: one attempt, no waiting between attempts."""
    url = settings.CELERY_BROKER_URL
    once = Retry(NoBackoff(), retries=0)
    if url.startswith("redis+socket://"):
        path = url.removeprefix("redis+socket://").partition("?")[0]
        return redis.Redis(unix_socket_path=path, socket_timeout=TIMEOUT_S, retry=once)
    return redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=once
    )


def redis_check() -> Check:
    """The broker. Without it work still runs, found by beat, only later."""
    try:
        client = redis_client()
        try:
            client.ping()
        finally:
            client.close()
    except (redis.RedisError, OSError, ValueError) as error:
        logger.warning("Redis does not answer: %s", error)
        return Check("redis", False, _("Redis does not answer: background work is not started."))
    return Check("redis", True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def _tracking_status() -> int:
    env = settings.SLIPWAY
    if env.tracking_is_remote:
        token = {"Authorization": f"Bearer {env.tracking_token}"} if env.tracking_token else {}
        url = f"{env.tracking_uri}/health"
        return requests.get(url, headers=token, timeout=TIMEOUT_S, stream=True).status_code
    link = _UnixConnection(settings.DATA.socket("tracking"))
    try:
        link.request("GET", "/health")
        return link.getresponse().status
    finally:
        link.close()


def tracking_check() -> Check:
    """MLflow's server."""
    try:
        status = _tracking_status()
    except (OSError, http.client.HTTPException, requests.RequestException) as error:
        logger.warning("MLflow's server does not answer: %s", error)
        return Check("tracking", False, _("MLflow's tracking server does not answer."))
    if status != 200:
        text = _("MLflow's tracking server answered %(status)d.") % {"status": status}
        return Check("tracking", False, text)
    return Check("tracking", True)


def disk_check() -> Check:
    """Free space of the data folder, against SLIPWAY_MIN_FREE."""
    try:
        free = shutil.disk_usage(settings.DATA.root).free
    except OSError:
        return Check("disk", False, _("The data folder cannot be read."))
    if free < settings.SLIPWAY.min_free_bytes:
        text = _("Only %(free).1f GB are free in the data folder: new work is refused.")
        return Check("disk", False, text % {"free": free / 1e9})
    return Check("disk", True)


def processes_check() -> tuple[Check, ...]:
    """Workers and beat of this node, by their heartbeats."""
    since = timezone.now() - HEARTBEAT_IS_FRESH
    rows = Heartbeat.objects.filter(node=settings.DATA.node_id, at__gt=since)
    try:
        alive = set(rows.values_list("kind", flat=True))
    except DatabaseError:
        return ()
    return tuple(
        Check(kind, True)
        if kind in alive
        else Check(kind, False, _("No process “%(kind)s” is alive.") % {"kind": kind})
        for kind in PROCESSES
    )
