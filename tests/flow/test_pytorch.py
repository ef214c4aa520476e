"""A PyTorch model with the script that Slipway offers for it, from the file to an answer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deployments.building.pythons import own_minor, uv_binary
from registry.scripts.templates import templates
from tests.environments.index import Index
from tests.flow.api import Api, containers_remove, start

CPU_WHEELS = sorted(Path(os.environ.get("PIP_FIND_LINKS") or "/nowhere").glob("torch-*+cpu-*.whl"))
pytestmark = [
    *(pytest.mark.soak, pytest.mark.redis, pytest.mark.timeout(1800)),
    pytest.mark.skipif(not CPU_WHEELS, reason="no CPU-only wheel of PyTorch in PIP_FIND_LINKS"),
]
TRAIN = """
import sys, torch
torch.manual_seed(1)
inputs = torch.rand(200, 3)
wanted = inputs @ torch.tensor([[1.0], [2.0], [3.0]]) + 4
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200)
def closure():
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(inputs), wanted)
    loss.backward()
    return loss
optimizer.step(closure)
torch.jit.script(model).save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of y = a + 2b + 3c + 4, trained and saved as TorchScript."""
    folder = tmp_path_factory.mktemp("torch")
    (folder / "train.py").write_text(TRAIN)
    wheels = ("--find-links", str(CPU_WHEELS[0].parent), "--cache-dir", str(folder / "cache"))
    packages = ("--with", f"torch=={CPU_WHEELS[0].name.split('-')[1]}", "--with", "numpy")
    command = (uv_binary(), "run", "--no-project", "--python", own_minor(), *wheels, *packages)
    subprocess.run(
        [*command, "python", "train.py", "model.pt"], cwd=folder, check=True, timeout=900
    )
    return folder / "model.pt"


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """A studio that finds the wheel on an index, which containers reach as well."""
    bridge = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    index = Index((CPU_WHEELS[0].name, CPU_WHEELS[0].read_bytes()), host=bridge)
    try:
        made = start(UV_INDEX=index.url)
        try:
            yield made
        finally:
            made.studio.close()
            containers_remove(made.studio.data.node_id)
    finally:
        index.close()


@pytest.mark.docker
@pytest.mark.parametrize("target", ["local", "docker"])
def test_torchscript_is_registered_deployed_and_answers(
    api: Api, weights: Path, target: str
) -> None:
    files = {"files": ("model.pt", weights.read_bytes())}
    made = api.call("POST", "/models", data={"name": f"torch-{target}"}, files=files)
    assert made.status_code == 201, made.text
    assert (made.json()["framework"], made.json()["needs_script"]) == ("PyTorch", True)
    [script] = [item.text for item in templates() if item.name == "pytorch"]
    source = api.call("POST", "/sources", json={"files": {"score.py": script}})
    assert source.status_code == 201, source.text
    name = f"torch-{target}"
    api.models[name] = f"models:/{name}/1"
    api.deploy(
        name,
        kind=name,
        target=target,
        inference={
            "entryScript": "score.py",
            "source": source.json()["sha256"],
            "environment": "Slipway-pytorch-cpu",
            "sampleInput": {"data": [[1, 2, 3]]},
        },
    )
    row = api.wait(name, lambda row: row["state"] in {"Healthy", "Failed"}, 1200)
    assert row["state"] == "Healthy", row["message"]
    answer = api.score(name, json={"data": [[1, 2, 3], [0, 0, 0]]}, headers=api.key(name))
    assert answer.status_code == 200, answer.text
    [[first], [second]] = answer.json()["predictions"]
    assert (first, second) == (pytest.approx(18, abs=0.01), pytest.approx(4, abs=0.01))
    api.gone(name, 90)
