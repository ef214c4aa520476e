"""Which services use a model version. `deployments` writes, pages and deletions read."""

from __future__ import annotations

from collections.abc import Iterable

from registry.models import VersionUse
from workspaces.tracking.store.opening import store_id


def use_add(*, store: str, name: str, version: str, service: str) -> None:
    """Record that a service uses a version; again is the same."""
    VersionUse.objects.get_or_create(store=store, name=name, version=version, service=service)


def use_remove(*, store: str, name: str, version: str, service: str) -> None:
    """Forget that a service uses a version; succeeds when it did not."""
    VersionUse.objects.filter(store=store, name=name, version=version, service=service).delete()


def uses_of(name: str, version: str) -> list[str]:
    """Names of the services that use a version of the current store, sorted."""
    rows = VersionUse.objects.filter(store=store_id(), name=name, version=version)
    return sorted(rows.values_list("service", flat=True))


def uses_of_model(name: str) -> dict[str, list[str]]:
    """Per version in use, the names of its services. One query."""
    found: dict[str, list[str]] = {}
    rows = VersionUse.objects.filter(store=store_id(), name=name).order_by("service")
    for version, service in rows.values_list("version", "service"):
        found.setdefault(version, []).append(service)
    return found


def uses_of_models(names: Iterable[str]) -> dict[str, list[str]]:
    """Per model in use, the names of its services. One query."""
    found: dict[str, set[str]] = {}
    rows = VersionUse.objects.filter(store=store_id(), name__in=list(names))
    for name, service in rows.values_list("name", "service"):
        found.setdefault(name, set()).add(service)
    return {name: sorted(services) for name, services in found.items()}
