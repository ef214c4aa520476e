"""A real model through everything Docker does for it: built, started, asked, stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.building import image_removal, images
from deployments.building.images import Builder
from deployments.drivers.base import InstanceSpec, Observation, Phase
from serving.contract import AuthDocument
from tests.drivers.cases import DockerCase, until

# the whole studio does the same in tests/flow/test_docker.py
pytestmark = [pytest.mark.docker, pytest.mark.soak, pytest.mark.timeout(400)]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
KEY = "a-key-of-the-test"
PACKAGES = ("mlflow", "scikit-learn", "numpy", "pandas", "scipy", "cloudpickle")


def keys(version: int, key: str) -> AuthDocument:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return {"version": version, "enabled": True, "keys": [{"name": "primary", "sha256": digest}]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[float]]:
    """A saved regression, its input as a request, and what it answers."""
    import mlflow.sklearn
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    rows, target = load_diabetes(return_X_y=True, as_frame=True)
    ridge = Ridge().fit(rows, target)
    folder = tmp_path_factory.mktemp("model") / "model"
    signature = mlflow.models.infer_signature(rows, target)
    mlflow.sklearn.save_model(ridge, folder, signature=signature, pip_requirements=[])
    request = {"dataframe_split": json.loads(rows.head(3).to_json(orient="split", index=False))}
    return folder, request, list(ridge.predict(rows.head(3)))


@pytest.fixture(scope="module")
def image(
    base_image: str, docker_play: str, source_root: Path, model: tuple[Path, Any, list[float]]
) -> Iterator[tuple[str, str]]:
    """Tag and node of the service image; the environment's image stays, as it takes a while."""
    from deployments.drivers.docker import DockerDriver

    driver = DockerDriver(node=f"testreal{id(model):x}")
    if images.base_image_python(driver, base_image) != PYTHON:
        pytest.skip("the base image has another Python, for which these versions may not exist")
    log: list[str] = []
    builder = Builder(driver, base_image, log.append, cancelled=lambda: False)
    lock = "".join(f"{name}=={importlib.metadata.version(name)}\n" for name in PACKAGES)
    packages = images.environment_image(builder, lock_text=lock, environment_hash="end-to-end")
    tag = images.service_image(
        builder,
        environment=packages,
        runtime_root=source_root,
        model_dir=model[0],
        model_sha256="e" * 64,
    )
    yield tag, driver.node
    image_removal.image_remove(driver, tag)


@pytest.fixture
def case(image: tuple[str, str], tmp_path: Path) -> Iterator[DockerCase]:
    made = DockerCase(tmp_path, image[0], node=image[1])
    yield made
    for name in list(made.driver.names()):
        found = made.driver.container_name(name)
        made.driver.client.remove_container(found, force=True, v=True)


def ask(url: str, body: Any, key: str = KEY) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")
    except OSError:
        return 0, None


def started(case: DockerCase, **changes: Any) -> InstanceSpec:
    spec = case.spec(memory_mb=1024, auth_version=1, **changes)
    spec = dataclasses.replace(spec, auth=keys(1, KEY))
    case.driver.apply(spec)
    return spec


def test_a_model_is_served_from_its_own_image(
    case: DockerCase, model: tuple[Path, Any, list[float]]
) -> None:
    _, request, expected = model
    spec = started(case)
    try:
        until(lambda: case.observe(spec).auth_version == 1, seconds=90)
    except AssertionError:
        raise AssertionError(f"{case.observe(spec)}\n{case.text(spec)}") from None
    url = f"{case.observe(spec).endpoint}/invocations"
    status, answer = ask(url, request)
    assert status == 200, answer
    assert answer["predictions"] == pytest.approx(expected)
    assert ask(url, request, key="wrong")[0] == 401

    case.driver.put_auth(spec.name, spec.folder, keys(2, "the-next-key"))
    until(lambda: case.observe(spec).auth_version == 2)
    assert ask(url, request)[0] == 401
    assert ask(url, request, key="the-next-key")[0] == 200

    assert case.driver.remove(spec.name, spec.folder) is False
    until(lambda: case.driver.remove(spec.name, spec.folder))
    assert case.observe(spec).phase is Phase.ABSENT


def test_a_model_with_too_little_memory_says_so(case: DockerCase) -> None:
    spec = case.spec(memory_mb=80)
    case.driver.apply(spec)
    seen: list[Observation] = []

    def ended_for_lack_of_memory() -> bool:
        seen.append(case.observe(spec))
        return seen[-1].phase is Phase.EXITED and seen[-1].out_of_memory

    until(ended_for_lack_of_memory, seconds=90)
    assert seen[-1].message.startswith("used ")
    assert "80 MB" in seen[-1].message
