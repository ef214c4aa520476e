"""The API of environments, their versions and builds."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from config.paths import DataFolder
from deployments.building.environments import DONE_FILE
from deployments.models import Operation, Target
from registry.environments.curated import curated_ensure
from registry.environments.versions import environment_get
from tests.factories import RevisionFactory, ServiceFactory, TargetFactory

BASE = "/api/v1/environments"


@pytest.fixture(autouse=True)
def local(db, tmp_path, monkeypatch) -> Target:
    monkeypatch.setattr(settings, "DATA", DataFolder(tmp_path / "data"))
    return TargetFactory(name="local")


def post(client: Client, path: str = "", body: Any = None) -> Any:
    return client.post(BASE + path, body if body is not None else {}, "application/json")


def test_making_one_answers_with_its_version_and_the_operation(ada) -> None:
    answer = post(ada, body={"name": "tools", "packages": ["numpy>=2"], "variables": {"A": "1"}})
    assert answer.status_code == 201
    body = answer.json()
    assert body["environment"]["ref"] == "tools:1"
    assert body["environment"]["lock"] is None
    assert body["environment"]["created_by"] == "ada"
    assert body["operation"]["subject"] == "tools:1"
    assert post(ada, body={"name": "tools"}).json()["environment"]["version"] == "2"


def test_a_conda_file_is_told_what_became_of_it(ada) -> None:
    text = "dependencies: [python=3.10, pytorch=2.1, pip, {pip: [flask]}]"
    body = {"name": "tools", "file": {"name": "conda.yaml", "content": text}, "packages": ["mypkg"]}
    made = post(ada, body=body).json()["environment"]
    assert (made["python"], made["packages"]) == ("3.10", ["torch==2.1.*", "flask", "mypkg"])
    assert [item["became"] for item in made["conda"]] == ["torch==2.1.*", ""]
    assert made["origin"] == "conda.yaml"


def test_a_models_own_requirements_are_taken(ada, model) -> None:
    made = post(ada, body={"name": "own", "model": "models:/diabetes/1"}).json()["environment"]
    assert (made["packages"], made["python"]) == (["mlflow", "scikit-learn==1.6.1"], "3.11")


@pytest.mark.parametrize("model_uri", ["models:/nobody/1", "diabetes", 5, "models:/diabetes/99"])
def test_a_model_that_is_not_there_is_said(ada, model, model_uri: Any) -> None:
    answer = post(ada, body={"name": "own", "model": model_uri})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["model"])


def test_all_violations_come_in_one_answer(ada) -> None:
    wrong = {
        "name": "Microsoft",
        "packages": ["--index-url x"],
        "python": 3,
        "docker_steps": "COPY a b",
        "base_image": "no image",
        "variables": {"SLIPWAY_X": "1"},
        "file": {"name": "conda.yaml", "content": "dependencies: [cudnn]"},
    }
    answer = post(ada, body=wrong)
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == set(wrong) - {"file"}
    del wrong["base_image"], wrong["docker_steps"]
    assert "cudnn" in post(ada, body=wrong).json()["fields"]["file"][0]
    assert Operation.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a", "colour": "red"},
        {"name": "a", "variables": []},
        {"name": "a", "file": "x"},
        {"name": "a", "file": {"name": "requirements.txt"}},
        {"name": "a", "file": {"name": "a.txt", "content": "", "more": 1}},
        {"name": "a", "packages": {"numpy": 1}},
        {"name": "a", "docker_steps": 5},
        {"name": "a", "model": "models:/a/1", "file": {"name": "a.txt", "content": ""}},
    ],
)
def test_bodies_of_another_shape_are_refused(ada, model, body: Any) -> None:
    assert post(ada, body=body).status_code == 400


def test_the_list_and_the_detail(ada) -> None:
    curated_ensure()
    post(ada, body={"name": "tools", "python": "3.12"})
    post(ada, "/tools/versions/1/archive")
    listed = {item["name"]: item for item in ada.get(BASE).json()["items"]}
    assert "tools" not in listed
    assert listed["Slipway-minimal"]["curated"] is True
    archived = ada.get(BASE, {"kind": "archived", "search": "OOL"}).json()["items"]
    assert [(item["name"], item["latest_version"]) for item in archived] == [("tools", None)]
    post(ada, "/tools/versions/1/restore")
    detail = ada.get(f"{BASE}/tools").json()
    assert [item["version"] for item in detail["versions"]] == ["1"]
    assert environment_get("tools").python == "3.12"


def test_build_asks_for_an_operation(ada) -> None:
    post(ada, body={"name": "tools"})
    answer = post(ada, "/tools/versions/1/build", {"target": "local"})
    assert (answer.status_code, answer.json()["subject"]) == (202, "tools:1 on local")
    assert post(ada, "/tools/versions/1/build").json()["subject"] == "tools:1"
    for target in ("moon", 5, []):
        wrong = post(ada, "/tools/versions/1/build", {"target": target})
        assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["target"])


def test_curated_ones_are_not_changeable(ada) -> None:
    curated_ensure()
    assert post(ada, "/Slipway-minimal/versions/1/archive").status_code == 409
    assert post(ada, body={"name": "Slipway-minimal"}).status_code == 400


def test_builds_are_listed_and_removed(ada, local) -> None:
    used, free = "a" * 64, "b" * 64
    for digest in (used, free):
        folder = settings.DATA.environments / digest
        folder.mkdir(parents=True)
        (folder / DONE_FILE).write_text("100")
    service = ServiceFactory(name="diabetes", target=local)
    service.wanted = RevisionFactory(service=service, environment_hash=used)
    service.save()
    items = ada.get(f"{BASE}/builds").json()["items"]
    assert [(item["hash"], item["services"]) for item in items] == [
        (used, ["diabetes"]),
        (free, []),
    ]
    refused = ada.delete(f"{BASE}/builds/{used}")
    assert (refused.status_code, refused.json()["fields"]) == (409, {"services": ["diabetes"]})
    assert ada.delete(f"{BASE}/builds/{free}?target=docker").status_code == 404
    assert ada.delete(f"{BASE}/builds/{free}").status_code == 204
    assert ada.delete(f"{BASE}/builds/{free}").status_code == 404
    assert ada.delete(f"{BASE}/builds/..%2Fx").status_code == 404


def test_what_is_not_there_is_404(ada) -> None:
    for path in ("/nobody", "/nobody/versions/1"):
        assert ada.get(BASE + path).status_code == 404
    for path in ("/nobody/versions/1/build", "/nobody/versions/1/archive"):
        assert post(ada, path).status_code == 404
