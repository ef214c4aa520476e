"""An entry script with two models and a package of its own, in a whole studio, on every target."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from tests.flow.api import Api
from tests.flow.test_main_job import COLUMNS, ROW, prediction

pytestmark = [pytest.mark.redis, pytest.mark.timeout(900)]
SCRIPT = """
import json
import os

import mlflow.pyfunc
import pandas
import toolz

import helper

models = {}


def init():
    top = os.environ["AZUREML_MODEL_DIR"]
    for name in ("good", "slow"):
        [version] = os.listdir(os.path.join(top, name))
        models[name] = mlflow.pyfunc.load_model(os.path.join(top, name, version, "model"))


def run(raw_data):
    body = json.loads(raw_data)
    frame = pandas.DataFrame(body["data"], columns=helper.COLUMNS, dtype="float64")
    answers = toolz.valmap(lambda model: model.predict(frame).tolist(), models)
    return {**answers, "mode": os.environ["MODE"], "toolz": toolz.__version__}
"""
HELPER = f"COLUMNS = {COLUMNS}\n"


def source(api: Api, script: str = SCRIPT) -> str:
    """Upload the script and what it imports as a zip; gives its sha256."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mine/score.py", script)
        archive.writestr("mine/helper.py", HELPER)
    answer = api.call("POST", "/sources", files={"file": ("mine.zip", stream.getvalue())})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["sha256"]
    return found


def inference(api: Api, **changes: Any) -> dict[str, Any]:
    _, name, version = api.model("good").split("/")
    packages = api.get(f"/models/{name}/versions/{version}")["requirements"]
    return {
        "entryScript": "score.py",
        "source": source(api),
        "models": [api.model("good"), api.model("slow")],
        "environment": {
            "packages": [*packages, "toolz==1.0.0", "azureml-defaults"],
            "variables": {"MODE": "quick"},
        },
        "sampleInput": {"data": ROW},
        **changes,
    }


def arrived(api: Api, name: str) -> Any:
    """The service once it is Healthy; at once the reason when it failed."""
    row = api.wait(name, lambda row: row["state"] in {"Healthy", "Failed"}, 600)
    assert row["state"] == "Healthy", row["message"]
    return row


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("local", marks=pytest.mark.soak),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def test_two_models_answer_as_one_service(whole_studio: Api, target: str) -> None:
    api, name = whole_studio, f"script-{target}"
    wish = inference(api)
    resources = {"containerResourceRequirements": {"cpu": 1, "memoryInGB": 0.75}}
    api.deploy(name, target=target, inference=wish, deployment=resources)
    row = arrived(api, name)
    assert (row["loader"], row["batching"]["on"]) == ("script", False)
    answer: httpx.Response = api.score(
        name, content=json.dumps({"data": ROW}), headers=api.key(name)
    )
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["good"] == pytest.approx([prediction()], rel=1e-9)
    assert said["slow"] == pytest.approx([ROW[0][2] * 2])
    assert (said["mode"], said["toolz"]) == ("quick", "1.0.0")
    assert answer.headers["x-ms-run-function-failed"] == "False"
    log = api.get(f"/operations/{row['operation']}/log?offset=0")["text"]
    assert "Left out azureml-defaults" in log
    assert "POST" in log
    used = api.call("DELETE", f"/models/slow/versions/{api.model('slow').split('/')[-1]}")
    assert used.status_code == 409
    assert name in used.text
    api.gone(name, 90)


def test_a_script_whose_init_raises_fails_and_the_old_revision_serves_on(
    whole_studio: Api,
) -> None:
    api, name = whole_studio, "script-update"
    wish = inference(api)
    api.deploy(name, target="local", inference=wish)
    arrived(api, name)
    broken = source(api, SCRIPT.replace("top = ", "raise RuntimeError('no weights')\n    top = "))
    answer = api.call("PATCH", f"/services/{name}", json={"inference": {**wish, "source": broken}})
    assert answer.status_code == 202, answer.text
    row = api.wait(
        name, lambda row: row["reason"] == "UpdateFailed" and row["state"] == "Healthy", 300
    )
    assert "no weights" in row["message"]
    assert api.score(name, json={"data": ROW}, headers=api.key(name)).status_code == 200
    api.gone(name)
