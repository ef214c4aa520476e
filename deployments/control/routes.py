"""The gateway's routes: one versioned document, derived from the database, written by rename."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.choices import Desired
from deployments.configuring import configuration
from deployments.models import Port, Service
from serving.contract import (
    APPLIED_FILE,
    MAX_BODY_BYTES,
    ROUTES_FILE,
    Backend,
    Route,
    RoutesDocument,
)


def compute() -> dict[str, Route]:
    """The route of every service, stopped ones too. Two queries, whatever the number."""
    ports = dict(Port.objects.filter(replica=0).values_list("revision_id", "number"))
    rows = Service.objects.select_related("active", "wanted")
    services = rows.exclude(desired=Desired.DELETED)
    return {service.name: _route(service, ports) for service in services}


def _route(service: Service, ports: dict[int, int]) -> Route:
    active = service.active
    port = ports.get(active.pk) if active else None
    if service.desired == Desired.STOPPED:
        return _with_limits(service, {"backends": [], "reason": _("The service is stopped.")})
    if active is None or port is None:
        reason = service.message or _("The service is not ready yet.")
        return _with_limits(service, {"backends": [], "reason": f"{service.state}: {reason}"})
    backend: Backend = {
        "revision": active.number,
        "url": f"http://127.0.0.1:{port}",
        "weight": 100,
    }
    return _with_limits(service, {"backends": [backend], "reason": ""})


def _with_limits(service: Service, route: Route) -> Route:
    """What the gateway itself enforces, of the revision that serves; unsaid where usual."""
    revision = service.active or service.wanted
    wish = configuration.from_dict(revision.deployment if revision else {})
    if wish.cors_origins:
        route["cors_origins"] = wish.cors_origins
    if wish.max_body_bytes != MAX_BODY_BYTES:
        route["max_body_bytes"] = wish.max_body_bytes
    return route


def publish() -> int:
    """Write the document when it differs from what is there; returns the version in force."""
    folder: Path = settings.DATA.run
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ROUTES_FILE
    with _locked(folder / "routes.lock"):
        before = _read(path)
        services = compute()  # read under the lock: a later writer never has older rows
        if before is not None and before["services"] == services:
            return before["version"]
        document: RoutesDocument = {
            "version": max(before["version"] if before else 0, _applied_version()) + 1,
            "services": services,
        }
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(path)
        return document["version"]


def is_applied(version: int) -> bool:
    """True when the gateway works with this version, or no gateway runs that could be asked."""
    try:
        report = json.loads((settings.DATA.run / APPLIED_FILE).read_text(encoding="utf-8"))
        os.kill(int(report["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return True
    return bool(int(report["version"]) >= version)


def _applied_version() -> int:
    """What the gateway said last: should our own file be lost, versions must still rise."""
    try:
        report = json.loads((settings.DATA.run / APPLIED_FILE).read_text(encoding="utf-8"))
        return int(report["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _read(path: Path) -> RoutesDocument | None:
    try:
        document: RoutesDocument = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(document, dict) and isinstance(document.get("services"), dict)
    return document if whole and isinstance(document.get("version"), int) else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
