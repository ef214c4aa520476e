"""Curated environments come to a lock, and what they are for can be imported (`make soak`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.building import environments, pythons
from deployments.building.environment_locks import (
    installed_keep,
    lock_ensure,
    pinned,
    total_installed,
)
from deployments.building.environments import folder_ready
from registry.environments.curated import CURATED, curated_ensure
from registry.environments.selectors import version_find
from tests.environments.conftest import Site
from tests.local_engine import CACHE, USER, open_folder

pytestmark = [pytest.mark.soak, pytest.mark.django_db, pytest.mark.timeout(900)]
CPU_WHEELS = sorted(Path(os.environ.get("PIP_FIND_LINKS") or "/nowhere").glob("torch-*+cpu-*.whl"))
IMPORTS = {
    "Slipway-minimal": "numpy",
    "Slipway-scikit-learn": "sklearn.linear_model, pandas, joblib, skops.io",
    "Slipway-onnxruntime": "onnxruntime, pandas",
    "Slipway-xgboost-lightgbm": "xgboost, lightgbm, sklearn.linear_model",
}


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A place to build in, from the person's own package index."""
    monkeypatch.setenv("UV_CACHE_DIR", str(CACHE))
    folder_ready(CACHE, USER)
    made = Site(open_folder("curated"))
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.mark.parametrize("name", IMPORTS)
def test_it_is_built_and_imports_what_it_is_for(real: Site, name: str) -> None:
    curated_ensure()
    row = version_find(name)
    lock = lock_ensure(real.builder(), row)
    folder = environments.build(real.builder(), lock.text, pythons.available(USER)[row.python])
    installed_keep(lock, folder)
    assert (total_installed(pinned(lock)) or 0) > 10 * 2**20
    program = f"import {IMPORTS[name]}"
    subprocess.run([folder / "bin" / "python", "-I", "-c", program], check=True, timeout=120)


@pytest.mark.skipif(not CPU_WHEELS, reason="no CPU-only wheel of PyTorch in PIP_FIND_LINKS")
def test_pytorch_without_its_gpu_part_is_built_from_a_folder_of_wheels(
    real: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(CPU_WHEELS[0].parent))
    version = CPU_WHEELS[0].name.split("-")[1]
    curated_ensure()
    row = version_find("Slipway-pytorch-cpu")
    lock = lock_ensure(real.builder(), row)
    assert f"torch=={version}" in lock.text
    assert "nvidia" not in lock.text
    folder = environments.build(real.builder(), lock.text, pythons.available(USER)[row.python])
    program = "import torch; assert float(torch.ones(3).sum()) == 3; print(torch.__version__)"
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", program], check=True, timeout=120, stdout=-1)
    assert done.stdout.decode().strip() == version


def test_pytorch_of_pypi_comes_to_a_lock_and_is_not_fetched_here(real: Site) -> None:
    curated_ensure()
    row = version_find("Slipway-pytorch-cpu")
    names = {item.name for item in pinned(lock_ensure(real.builder(), row))}
    assert "torch" in names
    assert set(IMPORTS) == {item.name for item in CURATED} - {row.environment.name}
