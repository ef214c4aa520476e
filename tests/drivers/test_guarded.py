"""Folders of the service user: whatever its code puts there, the studio touches nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments import guarded
from deployments.building import environments
from deployments.drivers.base import DriverError
from deployments.drivers.local import LocalDriver
from serving.contract import AUTH_FILE, CONFIG_FILE, LOCK_FILE, LOG_FILE
from tests.local_engine import USER


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the studio's."""
    made = tmp_path / "secret"
    made.write_text("hidden")
    made.chmod(0o600)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A replica's folder."""
    made = tmp_path / "services" / "s" / "1" / "0"
    made.mkdir(parents=True)
    return made


def _link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def _hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def _pipe(path: Path, secret: Path) -> None:
    os.mkfifo(path)


Trick = Callable[[Path, Path], None]
TRICKS = pytest.mark.parametrize("trick", [_link, _hard_link, _pipe])


@TRICKS
def test_only_plain_files_are_opened(trick: Trick, folder: Path, secret: Path) -> None:
    trick(folder / "file", secret)
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND):
        with pytest.raises(OSError):
            guarded.file_open(folder / "file", flags)


@TRICKS
def test_what_is_written_takes_the_place_of_what_was_there(
    trick: Trick, folder: Path, secret: Path
) -> None:
    trick(folder / "file", secret)
    guarded.file_write(folder / "file", b"new", 0o644)
    assert (folder / "file").read_bytes() == b"new"
    assert not (folder / "file").is_symlink()
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("hidden", 0o600)
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "other").symlink_to(folder)
    with pytest.raises(OSError):
        guarded.file_write(tmp_path / "other" / "file", b"", 0o644)
    assert list(folder.iterdir()) == []


@TRICKS
def test_a_log_that_leads_elsewhere_is_not_shown(trick: Trick, folder: Path, secret: Path) -> None:
    trick(folder / LOG_FILE, secret)
    driver = LocalDriver(folder.parents[2], USER)
    assert driver.logs("s-1-0", folder) == ("", 0)


@TRICKS
def test_a_lock_that_leads_elsewhere_is_given_to_nobody(
    trick: Trick, folder: Path, secret: Path
) -> None:
    driver = LocalDriver(folder.parents[2], USER)
    (folder / CONFIG_FILE).write_text('{"digest": "d", "port": 1}')
    trick(folder / LOCK_FILE, secret)
    with pytest.raises(DriverError):
        driver.observe("s-1-0", folder)


def test_keys_go_into_a_new_file_and_only_that_is_given_away(folder: Path, secret: Path) -> None:
    driver = LocalDriver(folder.parents[2], USER)
    (folder / CONFIG_FILE).write_text("{}")
    _link(folder / AUTH_FILE, secret)
    owner = secret.stat().st_uid
    driver.put_auth("s-1-0", folder, {"version": 1, "enabled": True, "keys": []})
    assert (secret.read_text(), secret.stat().st_uid) == ("hidden", owner)
    assert '"enabled": true' in (folder / AUTH_FILE).read_text()


def test_the_folders_that_builds_work_in_are_the_studios(tmp_path: Path) -> None:
    root, tmp = tmp_path / "environments", tmp_path / "tmp"
    builder = environments.Builder(root, tmp, USER, print, lambda: False)
    for path in (root, tmp):
        environments.folder_ready(path, USER)  # as earlier versions had it
    environments.folders_ready(builder)
    owners = {path.stat().st_uid for path in (root, root / "locks", tmp)}
    assert owners == {os.geteuid()}


def test_a_runtime_is_opened_to_all_without_following_links(folder: Path, secret: Path) -> None:
    (folder / "deep").mkdir(mode=0o700)
    (folder / "deep" / "module.py").touch(mode=0o600)
    _link(folder / "deep" / "link.py", secret)
    _pipe(folder / "pipe", secret)
    guarded.tree_open_to_all(folder)
    assert (folder / "deep" / "module.py").stat().st_mode & 0o777 == 0o644
    assert (folder / "deep").stat().st_mode & 0o777 == 0o755
    assert secret.stat().st_mode & 0o777 == 0o600
