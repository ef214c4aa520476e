"""Deleting is refused while a service uses the version."""

from __future__ import annotations

from typing import Any

import pytest

from registry import selectors, services, uses
from registry.deleted import keeping, restoring
from registry.models import DeletedVersion, VersionRecord
from tests.registry.conftest import Store
from workspaces.errors import Conflict, NotFound
from workspaces.models import Event
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.store.opening import store_id


@pytest.fixture
def registered(store: Store, user: Any) -> str:
    for _number in range(2):
        services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    return "diabetes"


def _use(service: str, version: str = "1") -> dict[str, str]:
    use = {"store": store_id(), "name": "diabetes", "version": version, "service": service}
    uses.use_add(**use)
    return use


def test_a_version_in_use_stays_and_the_services_are_named(registered: str, user: Any) -> None:
    _use("beta")
    _use("alpha")
    with pytest.raises(Conflict) as error:
        services.version_delete(name=registered, version="1", user=user)
    assert error.value.fields == {"services": ["alpha", "beta"]}
    assert "alpha, beta" in error.value.message
    assert selectors.version_get(registered, "1").version == "1"


def test_a_model_stays_while_one_of_its_versions_is_used(registered: str, user: Any) -> None:
    _use("alpha", version="2")
    with pytest.raises(Conflict, match="alpha"):
        services.model_delete(name=registered, user=user)
    services.version_delete(name=registered, version="1", user=user)  # the other one may go
    assert [item.version for item in selectors.versions_list(registered)] == ["2"]


def test_once_the_use_is_gone_it_can_be_deleted(registered: str, user: Any) -> None:
    use = _use("alpha")
    uses.use_add(**use)  # again is the same
    uses.use_remove(**use)
    uses.use_remove(**use)  # gone already is fine
    services.version_delete(name=registered, version="1", user=user)
    with pytest.raises(NotFound):
        selectors.version_get(registered, "1")
    assert not VersionRecord.objects.filter(name=registered, version="1").exists()
    assert Event.objects.get(kind="version.deleted").data == {"name": registered, "version": "1"}


def test_of_two_who_delete_at_once_the_slower_loses_nothing(registered: str, user: Any) -> None:
    services.version_update(name=registered, version="1", notes="kept", user=user)
    stored = tracking_models.version_get(registered, "1")  # the slower one has looked already
    services.version_delete(name=registered, version="1", user=user)
    keeping.versions_keep([stored], user)
    row = DeletedVersion.objects.get()
    assert (row.gone, row.record["notes"]) == (True, "kept")
    restored = restoring.version_restore(deleted_id=row.pk, user=user)
    assert selectors.version_get(registered, restored.version).notes == "kept"


def test_a_deleted_model_is_gone_with_its_records(registered: str, user: Any) -> None:
    services.model_delete(name=registered, user=user)
    with pytest.raises(NotFound):
        selectors.model_get(registered)
    assert not VersionRecord.objects.exists()


def test_the_use_of_another_store_does_not_count(registered: str, user: Any) -> None:
    uses.use_add(store="elsewhere", name=registered, version="1", service="alpha")
    assert uses.uses_of(registered, "1") == []
    services.version_delete(name=registered, version="1", user=user)


def test_what_is_not_there_cannot_be_deleted(registered: str, user: Any) -> None:
    for version in ("9", "0", "-1", "1.0", "latest", "9" * 30, "\x00"):
        with pytest.raises(NotFound):
            services.version_delete(name=registered, version=version, user=user)
    with pytest.raises(NotFound):
        services.model_delete(name="nothing", user=user)


def test_a_model_made_again_forgets_the_deleted_one(
    registered: str, store: Store, user: Any
) -> None:
    selectors.version_get(registered, "1")
    VersionRecord.objects.filter(version="1").update(memory_mb=100.0, sha256="ab")
    store.client.delete_registered_model(registered)  # behind our back
    again = services.model_register_from_run(
        run_id=store.two_models_run_id, name=registered, user=user
    )
    assert again.version == "1"
    assert (again.sha256, again.run_id) == ("", store.two_models_run_id)
    assert selectors.measured_memory_mb(registered, "1") is None
