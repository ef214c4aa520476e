"""Programs that run once in a container: no network, no rights, never for longer than they may."""

from __future__ import annotations

import dataclasses
import io
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.paths import DataFolder
from deployments import targets
from deployments.building import image_removal, image_runs
from deployments.building.image_runs import Limits
from deployments.building.processes import Cancelled
from deployments.control import sweep
from deployments.control.step_handlers import build_image, prepare_environment
from deployments.drivers.docker import DockerDriver
from tests.factories import RevisionFactory
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
        image_removal.image_remove(driver, revision.image)
    assert Path(data.environments / "locks" / f"{revision.environment_hash}.lock.txt").exists()


@pytest.mark.django_db
def test_the_sweep_removes_what_a_killed_check_left(driver: DockerDriver, base_image: str) -> None:
    limits = Limits(memory_mb=64, cpu=1, seconds=30)
    sleeper = ["python3", "-c", "import time; time.sleep(600)"]
    left = image_runs._create_once(driver, base_image, sleeper, limits)
    driver.client.start(left)
    other = DockerDriver(node=f"other{uuid.uuid4().hex[:8]}")
    try:
        assert image_runs.remove_old(driver, 60) == 0  # it may still be wanted
        assert image_runs.remove_old(other, -60) == 0
        assert image_runs.remove_old(driver, -60) == 1
        assert left not in [found["Id"] for found in driver.client.containers(all=True)]
    finally:
        driver.force_remove(left)


@pytest.mark.django_db
def test_the_sweep_removes_service_images_that_no_revision_names(
    driver: DockerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = [f"slipway/service:{driver.node}-{kind}" for kind in ("named", "unnamed")]
    for tag in tags:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(tag.rpartition("-")[2]))
        labels = f"LABEL slipway.image=service slipway.node={driver.node}"
        driver.client.import_image_from_data(archive.getvalue(), *tag.split(":"), changes=[labels])
    RevisionFactory(image=tags[0])
    try:
        sweep._remove_old_images(driver)
        assert image_removal.service_images(driver) == sorted(tags)  # younger than an hour
        monkeypatch.setattr(sweep, "IMAGE_HOURS", -1.0)
        sweep._remove_old_images(driver)
        assert image_removal.service_images(driver) == [tags[0]]
    finally:
        for tag in tags:
            image_removal.image_remove(driver, tag)
