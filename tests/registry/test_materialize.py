"""Copying a version's files to where services run from."""

from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
import shutil
import signal
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from registry import files, selectors, services
from tests.registry.conftest import Store
from workspaces.errors import Invalid, NotFound, Unavailable


@pytest.fixture
def registered(store: Store, user: Any) -> str:
    services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    return "diabetes"


def _folder(tmp_path: Path, name: str = "made") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: x\n")
    (folder / "data").mkdir()
    (folder / "data" / "weights.bin").write_bytes(b"w" * 3_000_000)
    return folder


def test_the_copy_is_whole_and_cannot_be_written(registered: str, tmp_path: Path) -> None:
    root = tmp_path / "models"
    digest = files.version_materialize(name=registered, version="1", destination_root=root)
    info = selectors.version_get(registered, "1")
    assert info.sha256 == digest
    assert [path.name for path in root.iterdir()] == [digest]
    for item in info.files:
        path = root / digest / item.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == item.sha256
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert {stat.S_IMODE(path.stat().st_mode) for path in _folders(root / digest)} == {0o755}


def test_the_copy_loads_and_predicts(registered: str, tmp_path: Path) -> None:
    import mlflow
    from sklearn.datasets import load_diabetes

    digest = files.version_materialize(
        name=registered, version="1", destination_root=tmp_path / "models"
    )
    model = mlflow.pyfunc.load_model(str(tmp_path / "models" / digest))
    features = load_diabetes(as_frame=True).frame.drop(columns="target")
    assert len(model.predict(features.head(3))) == 3


def test_again_is_nothing_to_do(registered: str, tmp_path: Path) -> None:
    root = tmp_path / "models"
    digest = files.version_materialize(name=registered, version="1", destination_root=root)
    before = (root / digest).stat().st_mtime_ns
    assert files.version_materialize(name=registered, version="1", destination_root=root) == digest
    assert (root / digest).stat().st_mtime_ns == before


def test_a_copy_that_was_deleted_comes_back(registered: str, tmp_path: Path) -> None:
    root = tmp_path / "models"
    digest = files.version_materialize(name=registered, version="1", destination_root=root)
    shutil.rmtree(root / digest)
    assert files.version_materialize(name=registered, version="1", destination_root=root) == digest
    assert (root / digest / "MLmodel").is_file()


def test_equal_files_share_one_folder(store: Store, db: None, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    for name in ("a", "b"):
        store.version_make(name, folder)
    root = tmp_path / "models"
    digests = {
        files.version_materialize(name=name, version="1", destination_root=root)
        for name in ("a", "b")
    }
    assert len(digests) == 1
    assert len(list(root.iterdir())) == 1


@pytest.mark.django_db(transaction=True)
def test_several_at_once_make_one_copy(store: Store, tmp_path: Path) -> None:
    store.version_make("busy", _folder(tmp_path))
    root, start = tmp_path / "models", threading.Barrier(5)
    digests: list[str] = []
    errors: list[Exception] = []

    def copy() -> None:
        start.wait()
        try:
            digests.append(
                files.version_materialize(name="busy", version="1", destination_root=root)
            )
        except Exception as error:  # the thread must not swallow it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=copy) for _number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    assert len(digests) == 5
    assert [path.name for path in root.iterdir()] == [digests[0]]


def _copy_for_ever(root: Path) -> None:
    """Runs in a process that is killed half-way through a copy."""
    with files._staging(root) as staging:
        (staging / "MLmodel").write_text("half")
        time.sleep(60)


def test_what_a_killed_copy_left_is_removed_by_the_next(registered: str, tmp_path: Path) -> None:
    root = tmp_path / "models"
    root.mkdir()
    process = multiprocessing.get_context("fork").Process(target=_copy_for_ever, args=(root,))
    process.start()
    deadline = time.monotonic() + 20
    while not list(root.glob(".staging-*/MLmodel")) and time.monotonic() < deadline:
        time.sleep(0.01)
    files.staging_sweep(root)
    assert list(root.glob(".staging-*/MLmodel")), "a copy under way was swept away"
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(timeout=10)
    digest = files.version_materialize(name=registered, version="1", destination_root=root)
    assert [path.name for path in root.iterdir()] == [digest]


def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    registered: str, tmp_path: Path, settings: Any
) -> None:
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, min_free_bytes=2**60)
    root = tmp_path / "models"
    with pytest.raises(Unavailable, match="disk is too full"):
        files.version_materialize(name=registered, version="1", destination_root=root)
    assert list(root.iterdir()) == []


def test_a_link_out_of_the_folder_is_refused(store: Store, db: None, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (tmp_path / "secret").write_text("key")
    (folder / "data" / "link").symlink_to(tmp_path / "secret")
    store.version_make("bad", folder)
    with pytest.raises(Invalid, match="data/link leaves"):
        files.version_materialize(name="bad", version="1", destination_root=tmp_path / "models")


@pytest.mark.parametrize("target", ["missing", "..", "."])
def test_links_to_nowhere_and_round_in_circles_are_refused(
    store: Store, db: None, tmp_path: Path, target: str
) -> None:
    folder = _folder(tmp_path)
    (folder / "link").symlink_to(target)
    store.version_make("bad", folder)
    with pytest.raises(Invalid):
        files.version_materialize(name="bad", version="1", destination_root=tmp_path / "models")


def test_a_link_inside_the_folder_becomes_a_file(store: Store, db: None, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "same").symlink_to("data/weights.bin")
    store.version_make("good", folder)
    root = tmp_path / "models"
    digest = files.version_materialize(name="good", version="1", destination_root=root)
    copy = root / digest / "same"
    assert not copy.is_symlink()
    assert copy.stat().st_size == 3_000_000


def test_a_pipe_does_not_hang(store: Store, db: None, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    os.mkfifo(folder / "pipe")
    store.version_make("bad", folder)
    with pytest.raises(Invalid, match="not a plain file"):
        files.version_materialize(name="bad", version="1", destination_root=tmp_path / "models")


def test_a_folder_without_mlmodel_is_copied_and_needs_a_script(
    store: Store, db: None, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    store.version_make("script", tmp_path / "other")
    info = selectors.version_get("script", "1")
    assert (info.needs_script, info.problem, info.format) == (True, "", "custom")
    root = tmp_path / "models"
    with pytest.raises(Invalid, match="no MLmodel"):
        files.version_materialize(name="script", version="1", destination_root=root)
    digest = files.version_materialize(
        name="script", version="1", destination_root=root, needs_mlmodel=False
    )
    assert (root / digest / "file").read_text() == "x"


def test_files_that_are_gone_are_not_found(store: Store, db: None, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    store.version_make("gone", folder)
    shutil.rmtree(folder)
    with pytest.raises(NotFound):
        files.version_materialize(name="gone", version="1", destination_root=tmp_path / "models")
    info = selectors.version_get("gone", "1")
    assert info.problem


@pytest.mark.parametrize(
    "source", ["/etc", "http://127.0.0.1:1/x", "file:///etc", "models:/x/1", "runs:/nothing/x"]
)
def test_places_outside_the_artifact_store_are_not_read(
    store: Store, db: None, tmp_path: Path, source: str, settings: Any
) -> None:
    import sqlite3

    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, artifact_root=str(tmp_path / "root"))
    store.version_make("x", _folder(tmp_path))
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute(
            "update model_versions set source = ?, storage_location = ?", (source, source)
        )
    with pytest.raises((Invalid, NotFound, Unavailable)):
        files.version_materialize(name="x", version="1", destination_root=tmp_path / "models")
    assert selectors.version_get("x", "1").problem


def _folders(top: Path) -> list[Path]:
    return [top, *(path for path in top.rglob("*") if path.is_dir())]
