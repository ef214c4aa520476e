"""Programs that run once in a container: no network, no rights, never for longer than they may."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.paths import DataFolder
from deployments import image_runs, images, targets
from deployments.drivers.docker import DockerDriver
from deployments.image_runs import Limits
from deployments.processes import Cancelled
from deployments.step_handlers import build_image, prepare_environment
from tests.local_engine import CACHE, open_folder
from tests.prepare import prepared, save_model

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]
LIMITS = Limits(memory_mb=128, cpu=1, seconds=30)


@pytest.fixture
def driver() -> DockerDriver:
    return DockerDriver(node=f"test{uuid.uuid4().hex[:8]}")


def run(driver: DockerDriver, image: str, program: str, **more: Any) -> str:
    usual: dict[str, Any] = {"limits": LIMITS, "cancelled": lambda: False}
    return image_runs.run_once(driver, image, ["python3", "-c", program], **{**usual, **more})


def probes(driver: DockerDriver) -> int:
    labels = {"label": "slipway.image=probe"}
    return len(driver.client.containers(all=True, filters=labels))


def test_it_has_no_network_no_root_and_the_memory_it_was_given(
    driver: DockerDriver, base_image: str
) -> None:
    told = run(
        driver,
        base_image,
        "import os, pathlib\n"
        "print(os.getuid(), sorted(p.name for p in pathlib.Path('/sys/class/net').iterdir()))\n"
        "print('x' * 5)",
    )
    assert told.splitlines()[0].startswith("10001 ['lo'")
    assert "eth0" not in told
    hungry = "print('before', flush=True); x = bytearray(b'x') * 600_000_000; print('after')"
    assert run(driver, base_image, hungry).split() == ["before"]


def test_it_ends_when_its_time_is_over_or_it_is_cancelled(
    driver: DockerDriver, base_image: str
) -> None:
    before = probes(driver)
    with pytest.raises(TimeoutError):
        run(driver, base_image, "while True: pass", limits=Limits(128, 0.1, 0.5))
    with pytest.raises(Cancelled):
        run(driver, base_image, "while True: pass", cancelled=lambda: True)
    assert probes(driver) <= before


@pytest.fixture
def data(base_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataFolder]:
    made = DataFolder(open_folder("image-loader"))
    made.models.mkdir()
    monkeypatch.setattr(settings, "DATA", made)
    own = dataclasses.replace(settings.SLIPWAY, base_image=base_image)
    monkeypatch.setattr(settings, "SLIPWAY", own)
    monkeypatch.setenv("UV_CACHE_DIR", str(CACHE))
    yield made
    shutil.rmtree(made.root, ignore_errors=True)


@pytest.mark.django_db
def test_a_ridge_is_checked_in_an_image_without_mlflow(
    data: DataFolder, driver: DockerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import Ridge

    monkeypatch.setattr(targets, "_driver", lambda *_: driver)
    save_model(data.models / "ridge", Ridge())
    revision, lines = prepared("docker", "ridge", prepare_environment, build_image)
    try:
        assert (revision.loader, revision.row_wise) == ("fast", True), "\n".join(lines)
        listed = "import pathlib; print(*pathlib.Path('/opt/env').rglob('mlflow*'))"
        assert run(driver, revision.image, listed).strip() == ""
    finally:
        images.image_remove(driver, revision.image)
    assert Path(data.environments / "locks" / f"{revision.environment_hash}.lock.txt").exists()
