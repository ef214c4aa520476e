"""An operation resolves a version's lock and builds it where it was asked to."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from config.paths import DataFolder
from deployments.building.environment_locks import lock_of, pinned
from deployments.building.environment_requests import build_request, environment_add, operations_of
from deployments.control.operation_requests import operation_cancel
from deployments.models import Target
from registry.environments.services import environment_archive
from tests.environments.conftest import Site, operation_run
from workspaces.errors import Conflict, Invalid

pytestmark = pytest.mark.django_db(transaction=True)  # a heartbeat writes from its own thread


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada")


def test_making_an_environment_resolves_its_lock(data: DataFolder, user: User) -> None:
    row, operation = environment_add(name="tools", packages=["alpha"], user=user)
    assert (operation.subject, operation.requested_by) == ("tools:1", user)
    done = operation_run(operation)
    lock = lock_of(row)
    assert lock is not None
    assert (done.status, done.error) == ("Succeeded", "")
    assert done.found == {"hash": lock.sha256, "packages": 2, "download_bytes": None}


def test_a_failed_resolve_says_which_package(data: DataFolder) -> None:
    row, operation = environment_add(name="tools", packages=["nothing"], user=None)
    done = operation_run(operation)
    assert (done.status, done.error) == ("Failed", "There is no package named nothing.")
    assert lock_of(row) is None


def test_build_now_makes_the_folder_that_services_take(
    site: Site, local: Target, user: User
) -> None:
    row, _operation = environment_add(name="tools", packages=["alpha"], user=user)
    operation = build_request(row=row, target="local", user=user)
    done = operation_run(operation)
    assert (done.status, done.error, str(done)) == ("Succeeded", "", "build tools:1 on local")
    folder = site.folder / "environments" / done.found["hash"]
    assert site.complete() == [folder]
    files = [path for path in folder.rglob("*") if path.is_file()]
    sizes = sum(path.lstat().st_size for path in files if path.name != ".slipway-complete")
    assert done.found["installed_bytes"] == sizes
    lock = lock_of(row)
    assert lock is not None
    sizes = [item.installed_bytes for item in pinned(lock)]
    assert all(size and size > 100 for size in sizes)
    assert {item.subject for item in operations_of(row, [local])} == {"tools:1", str(done.subject)}


def test_a_python_that_is_not_here_is_said(data: DataFolder, local: Target) -> None:
    row, _operation = environment_add(name="tools", python="3.99", user=None)
    done = operation_run(build_request(row=row, target="local", user=None))
    assert (done.status, "needs Python 3.99; this machine has" in done.error) == ("Failed", True)


def test_targets_that_are_not_here_are_refused(data: DataFolder, local: Target) -> None:
    row, _operation = environment_add(name="tools", user=None)
    with pytest.raises(Invalid, match="there is local") as raised:
        build_request(row=row, target="moon", user=None)
    assert list(raised.value.fields) == ["target"]


def test_an_archived_version_is_not_built(data: DataFolder, local: Target) -> None:
    row, _operation = environment_add(name="tools", user=None)
    row = environment_archive(name="tools", version="1", user=None)
    with pytest.raises(Conflict, match="archived"):
        build_request(row=row, target="local", user=None)


def test_a_cancelled_build_leaves_nothing(site: Site, local: Target) -> None:
    row, _operation = environment_add(name="tools", packages=["alpha"], user=None)
    operation = build_request(row=row, target="local", user=None)
    operation_cancel(operation=operation, user=None)
    assert operation_run(operation).status == "Cancelled"
    assert site.complete() == []
