"""Uploaded model files on this machine: their own requirements resolve, build and load them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.paths import DataFolder
from deployments import targets
from deployments.control.step_handlers import prepare_environment
from deployments.drivers.local import LocalDriver
from registry.formats import wrapping
from registry.formats.recognising import recognise
from registry.incoming.registering import reader
from registry.samples import sample_read
from tests.local_engine import CACHE, USER, open_folder
from tests.prepare import prepared
from tests.registry import made

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600), pytest.mark.soak]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made_ = open_folder("uploaded")
    (made_ / "models").mkdir()
    yield made_
    shutil.rmtree(made_, ignore_errors=True)


@pytest.fixture
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    found = DataFolder(folder)
    monkeypatch.setattr(settings, "DATA", found)
    monkeypatch.setenv("UV_CACHE_DIR", str(CACHE))
    driver = LocalDriver(found.services, USER)
    monkeypatch.setattr(targets, "_driver", lambda *_: driver)
    return found


def write(folder: Path, model: made.Made) -> None:
    folder.mkdir()
    (folder / model.file_name).write_bytes(model.content)
    found = recognise([(model.file_name, len(model.content))], reader(folder))
    sample: Any = sample_read(model.sample)
    for path, content in wrapping.wrap(found, paths={model.file_name}, sample=sample).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize(
    "kind", ["onnx", "sklearn-pickle", "sklearn-joblib", "xgboost", "lightgbm"]
)
def test_an_uploaded_file_brings_an_environment_that_loads_it(kind: str, data: DataFolder) -> None:
    write(data.models / kind, made.WRAPPED[kind]())
    revision, lines = prepared("local", kind, prepare_environment)
    assert revision.loader == ("plain" if kind == "sklearn-joblib" else "fast"), "\n".join(lines)
    assert revision.row_wise is not None, "\n".join(lines)
    assert not any("The check found" in line for line in lines), "\n".join(lines)
