"""What a model's code can reach when the studio was started as root: nothing of the studio's."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import Env
from tests.drivers.cases import LocalCase
from tests.local.conftest import Ask, asker, open_to_all
from tests.local_engine import local_engine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="services run as the studio's own user")

SETTINGS = {
    "SLIPWAY_SECRET_KEY": "hidden-1",
    "SLIPWAY_TRACKING_TOKEN": "hidden-2",
    "DATABASE_URL": "postgres://user:hidden-3@db/slipway",
    "REDIS_URL": "redis://:hidden-4@redis",
    "UV_DEFAULT_INDEX": "https://user:hidden-5@index.example",
}


@pytest.fixture(scope="module")
def ask(studio_folder: Env) -> Iterator[Ask]:
    """A running service whose model tries what it is asked to."""
    case = LocalCase(studio_folder.data.root, local_engine())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        spec = case.running(**open_to_all())
    yield asker(case, spec)
    case.clean()


def test_it_runs_as_the_service_user_without_roots_groups(ask: Ask) -> None:
    import pwd

    entry = pwd.getpwnam("nobody")
    uid, gid, groups = json.loads(ask("who", ""))
    assert (uid, gid) == (entry.pw_uid, entry.pw_gid)
    assert 0 not in groups


@pytest.mark.parametrize("name", ["secret_key", "database", "tracking_database"])
def test_it_cannot_read_the_studios_files(ask: Ask, studio_folder: Env, name: str) -> None:
    path: Path = getattr(studio_folder.data, name)
    assert path.exists()
    assert ask("read", str(path)) == "PermissionError"
    assert ask("write", str(path)) == "PermissionError"


@pytest.mark.parametrize("name", ["run", "logs", "redis", "artifacts", "operations"])
def test_it_cannot_look_into_the_studios_folders(ask: Ask, studio_folder: Env, name: str) -> None:
    assert ask("folder", str(getattr(studio_folder.data, name))) == "PermissionError"


@pytest.mark.parametrize("name", ["root", "services", "models"])
def test_it_cannot_list_nor_write_what_it_passes_through(
    ask: Ask, studio_folder: Env, name: str
) -> None:
    folder: Path = getattr(studio_folder.data, name)
    assert ask("folder", str(folder)) == "PermissionError"
    assert ask("write", str(folder / "mine")) == "PermissionError"


@pytest.mark.parametrize("name", ["redis", "tracking"])
def test_it_cannot_connect_to_the_studios_sockets(ask: Ask, studio_folder: Env, name: str) -> None:
    path = studio_folder.data.socket(name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o777)  # whatever the engine gives its socket
        server.listen()
        assert ask("connect", str(path)) == "PermissionError"
    path.unlink()


def test_it_sees_none_of_the_studios_settings(ask: Ask) -> None:
    environment: dict[str, str] = json.loads(ask("environ", ""))
    assert not [value for value in environment.values() if "hidden" in value]
    assert not [name for name in environment if name.startswith(("SLIPWAY_", "DJANGO_"))]
    assert ask("read", f"/proc/{os.getpid()}/environ") == "PermissionError"


def test_it_inherits_no_file_of_the_studio_and_not_the_lock(ask: Ask, studio_folder: Env) -> None:
    root = str(studio_folder.data.root)
    own = [path for path in json.loads(ask("descriptors", "")) if path.startswith(root)]
    assert [path for path in own if not path.endswith("service.log")] == []


def test_it_cannot_change_its_model_nor_the_runtime(ask: Ask) -> None:
    engine = local_engine()
    assert ask("write", str(engine.model_dir / "MLmodel")) == "PermissionError"
    assert ask("write", str(engine.runtime_dir / "serving" / "app.py")) == "PermissionError"
