"""What is built is listed with who uses it, and removed when nobody does."""

from __future__ import annotations

import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.paths import DataFolder
from deployments.building.environment_builds import (
    Build,
    _told,
    build_remove,
    builds_list,
    builds_page,
    builds_remove_unused,
    folder_remove,
    is_unused,
)
from deployments.building.environments import DONE_FILE
from deployments.control import sweep
from deployments.models import Service, Target
from registry.environments.services import environment_archive, environment_create
from registry.models import EnvironmentLock
from tests.factories import RevisionFactory, ServiceFactory, deploying
from workspaces.errors import Conflict, NotFound
from workspaces.models import Event

pytestmark = pytest.mark.django_db
A, B, C = "a" * 64, "b" * 64, "c" * 64


def folder(data: DataFolder, digest: str, size: int = 1000) -> Path:
    """A built environment, as far as the list sees it."""
    made = data.environments / digest
    made.mkdir(parents=True)
    (made / "file").write_bytes(bytes(size))
    (made / DONE_FILE).write_text(str(size))
    return made


def served(target: Target, digest: str, name: str = "diabetes") -> Service:
    service = ServiceFactory(name=name, target=target)
    revision = RevisionFactory(service=service, environment_hash=digest)
    Service.objects.filter(pk=service.pk).update(wanted=revision, active=revision)
    return service


def locked(digest: str, name: str = "tools") -> None:
    """An environment of the registry that came to this hash."""
    row = environment_create(name=name, user=None)
    EnvironmentLock.objects.create(
        version=row, python=row.python, platform="here", text="", sha256=digest
    )


def test_a_build_tells_its_size_and_who_uses_it(data: DataFolder, local: Target) -> None:
    folder(data, A)
    folder(data, B, 5)
    served(local, A)
    locked(A)
    first, second = builds_list().items
    assert (first.hash, first.target, first.size_bytes) == (A, "local", 1000)
    assert (first.services, first.environments, first.kept) == (("diabetes",), ("tools:1",), True)
    assert (second.services, second.environments, second.kept) == ((), (), False)


def test_half_built_and_foreign_folders_are_not_listed(data: DataFolder, local: Target) -> None:
    (data.environments / C).mkdir(parents=True)
    (data.environments / "locks").mkdir(exist_ok=True)
    assert builds_list().items == []


def test_builds_of_an_older_slipway_are_counted_when_asked(data: DataFolder, local: Target) -> None:
    (folder(data, A, 77) / DONE_FILE).write_text("")
    assert builds_list().items[0].size_bytes == 77


def test_the_number_of_queries_does_not_grow(data: DataFolder, local: Target) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            builds_list()
        return len(asked)

    folder(data, A)
    served(local, A)
    locked(A)
    few = queries()
    for number in range(20):
        folder(data, f"{number:064d}")
        served(local, f"{number:064d}", f"s{number}")
        locked(f"{number:064d}", f"n{number}")
    assert queries() == few


def test_pages_make_the_whole_list(data: DataFolder, local: Target) -> None:
    for digest in (A, B, C):
        folder(data, digest)
    builds, found, token = builds_list(), [], ""
    for _turn in range(3):
        items, token = builds_page(builds, token, 1)
        found += items
    assert (found, token) == (builds.items, "")


def test_what_nobody_uses_is_removed(data: DataFolder, local: Target) -> None:
    made = folder(data, A)
    user = User.objects.create_user("ada")
    assert build_remove(digest=A, user=user) == 1
    assert not made.exists()
    assert not list(data.tmp.iterdir())
    assert Event.objects.get(kind="environment.build_removed").actor == user
    with pytest.raises(NotFound):
        build_remove(digest=A, user=user)


def test_what_a_service_runs_in_stays(data: DataFolder, local: Target) -> None:
    made = folder(data, A)
    served(local, A)
    with pytest.raises(Conflict, match="diabetes") as raised:
        build_remove(digest=A, user=None)
    assert (raised.value.code, made.exists()) == ("in_use", True)


def test_nothing_goes_while_something_prepares_an_environment(
    data: DataFolder, local: Target
) -> None:
    made = folder(data, A)
    operation = deploying("on-its-way", prepared=False, target=local)
    operation.steps.filter(name="Prepare environment").update(state="running")
    with pytest.raises(Conflict, match="Try again"):
        build_remove(digest=A, user=None)
    assert made.exists()


def test_what_is_being_built_stays(data: DataFolder, local: Target) -> None:
    made = folder(data, A)
    locks = data.environments / "locks"
    locks.mkdir(exist_ok=True)
    with (locks / f"{A}.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="being prepared"):
            build_remove(digest=A, user=None)
    assert made.exists()


def test_what_is_taken_at_the_last_moment_is_put_back(data: DataFolder) -> None:
    made = folder(data, A)
    with pytest.raises(Conflict):
        folder_remove(made, data.tmp, lambda digest: digest == A)
    assert (made / "file").exists()


def test_remove_unused_leaves_what_services_and_environments_need(
    data: DataFolder, local: Target
) -> None:
    for digest in (A, B, C):
        folder(data, digest)
    served(local, A)
    locked(B)
    assert builds_remove_unused(user=None) == 1
    assert [item.hash for item in builds_list().items] == [A, B]


def test_an_image_that_nothing_here_knows_is_not_counted_as_unused() -> None:
    now = datetime.now(tz=UTC)
    image = Build(A, "docker", "slipway/environment:1", 1, now, now)
    assert is_unused(image)
    (told,) = _told([image])
    assert (told.foreign, is_unused(told)) == (True, False)
    locked(A)
    environment_archive(name="tools", version="1", user=None)
    (told,) = _told([image])
    assert (told.foreign, is_unused(told)) == (False, True)


def test_the_sweep_leaves_what_was_built_ahead_until_it_is_archived(
    data: DataFolder, local: Target
) -> None:
    made = folder(data, A)
    past = time.time() - sweep.FOLDER_SECONDS - 10
    os.utime(made, (past, past))
    locked(A)
    sweep._remove_unused_folders()
    assert made.exists()
    environment_archive(name="tools", version="1", user=None)
    sweep._remove_unused_folders()
    assert not made.exists()
