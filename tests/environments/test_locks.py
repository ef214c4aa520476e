"""The lock of an environment's version: resolved once, sized, explained when it cannot be."""

from __future__ import annotations

import pytest

from deployments.building.environment_locks import (
    lock_ensure,
    lock_of,
    pinned,
    total_size,
    wheel_size,
)
from deployments.building.environments import EnvironmentFailed
from registry.environments.files import conda_read
from registry.environments.services import environment_create
from tests.environments.conftest import Site
from tests.environments.index import Index

pytestmark = pytest.mark.django_db


def made(**values):
    return environment_create(name="tools", user=None, **values)


def test_a_lock_is_kept_with_the_sizes_that_the_index_tells(site: Site, index: Index) -> None:
    index.tells_sizes = True
    row = made(packages=["alpha"])
    lock = lock_ensure(site.builder(), row)
    packages = pinned(lock)
    files = {name.partition("-")[0]: len(content) for name, content in index.files.items()}
    assert [(item.name, item.version) for item in packages] == [("alpha", "2.0"), ("beta", "1.0")]
    assert packages[0].size_bytes == len(index.files["alpha-2.0-py3-none-any.whl"])
    assert packages[1].size_bytes == files["beta"]
    assert total_size(packages) == packages[0].size_bytes + packages[1].size_bytes
    assert lock_of(row) == lock


def test_an_index_that_tells_no_sizes_leaves_them_unknown(site: Site) -> None:
    packages = pinned(lock_ensure(site.builder(), made(packages=["alpha"])))
    assert [item.size_bytes for item in packages] == [None, None]
    assert total_size(packages) is None


def test_a_lock_is_resolved_once_and_never_changes(site: Site, index: Index) -> None:
    row = made(packages=["alpha"])
    first = lock_ensure(site.builder(), row)
    index.close()
    assert lock_ensure(site.builder(), row).pk == first.pk
    assert site.commands("pip compile") == 2  # the lock and its sizes


def test_no_packages_are_a_lock_too(site: Site) -> None:
    lock = lock_ensure(site.builder(), made())
    assert (pinned(lock), total_size([])) == ([], 0)


def test_a_package_that_does_not_exist_is_named(site: Site) -> None:
    with pytest.raises(EnvironmentFailed, match=r"There is no package named nothing\.$"):
        lock_ensure(site.builder(), made(packages=["nothing"]))


def test_a_conda_name_that_pypi_has_not_comes_with_what_to_do(site: Site) -> None:
    row = made(parsed=conda_read("dependencies: [nothing]"))
    with pytest.raises(EnvironmentFailed, match=r"no package named nothing.*base image"):
        lock_ensure(site.builder(), row)


def test_the_wheel_of_this_platform_and_python_is_the_one_that_counts() -> None:
    wheels = [
        {"name": "a-1-cp311-cp311-win_amd64.whl", "size": 1},
        {"name": "a-1-py3-none-any.whl", "size": 2},
        {"url": "https://x/a-1-cp39-abi3-any.whl", "size": 3},
        {"name": "not a wheel", "size": 4},
    ]
    assert wheel_size(wheels, "3.11") == 2
    assert wheel_size(wheels[:1], "3.11") is None
    assert wheel_size([{"name": "a-1-py3-none-any.whl"}], "3.11") is None
