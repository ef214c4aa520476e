"""What a local service needs, made once per test run: an environment, the runtime, a folder.

The tests' own virtual environment will do, unless they run as root: then services run as `nobody`,
who may not reach it, and the studio's own code builds an environment for that user. Its wheels are
kept in SLIPWAY_TEST_UV_CACHE, so that only the first run on a machine downloads them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from deployments.building import environments, pythons, runtimes

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("SLIPWAY_TEST_UV_CACHE", "/var/tmp/slipway-test-uv"))
USER = "nobody"
PINS = [
    f"{name}=={importlib.metadata.version(name)}" for name in ("mlflow-skinny", "numpy", "pandas")
]
MODEL = Path(__file__).with_name("local_model")


@dataclass(frozen=True)
class LocalEngine:
    """Folders of `deployments.drivers.base.InstanceSpec`."""

    environment_dir: Path
    runtime_dir: Path
    model_dir: Path


def open_folder(prefix: str) -> Path:
    """A folder of this test run that the service user can pass through."""
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=os.environ["SLIPWAY_TEST_ROOT"]))
    folder.chmod(0o711)
    return folder


@functools.cache
def local_engine() -> LocalEngine:
    """Build what is missing; seconds where the wheels are in the cache."""
    if os.geteuid() != 0:
        return LocalEngine(Path(sys.prefix), ROOT, MODEL)
    folder = open_folder("engine")
    python = pythons.available(USER)[pythons.own_minor()]
    lines: list[str] = []
    builder = environments.Builder(
        root=folder / "environments",
        tmp=folder / "tmp",
        user=USER,
        log=lines.append,
        cancelled=lambda: False,
    )
    environments.folders_ready(builder)
    environments.folder_ready(CACHE, USER)
    with mock.patch.dict(os.environ, {"UV_CACHE_DIR": str(CACHE)}):
        lock = environments.resolve(builder, PINS, python.minor)
        environment = environments.build(builder, lock, python)
        runtime = runtimes.install(builder, folder / "runtimes", python)
    return LocalEngine(environment, runtime, _model(folder))


def _model(folder: Path) -> Path:
    """The model's files where the service user can read them."""
    import shutil

    copied = folder / "model"
    shutil.copytree(MODEL, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (copied, *copied.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copied
