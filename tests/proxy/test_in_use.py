"""What MLflow may not do behind the studio's back: remove what a service uses, read our disk."""

import json
from typing import Any

import pytest

from registry.models import VersionUse
from tests.proxy.conftest import Web
from workspaces.proxy_guard import guarded_body
from workspaces.tracking.store.opening import store_id

API = ("/mlflow/api/2.0/mlflow", "/mlflow/ajax-api/2.0/mlflow")


@pytest.fixture
def used(web: Web, bearer: dict[str, str]) -> str:
    """A registered model whose version 1 the service "iris" uses."""
    name = "used-model"
    create = f"{API[0]}/registered-models/create"
    made = web.ask(create, "POST", json={"name": name}, headers=bearer)
    if made.status_code == 200:
        web.ask(
            f"{API[0]}/model-versions/create",
            "POST",
            json={"name": name, "source": "s3://bucket/model"},
            headers=bearer,
        )
    VersionUse.objects.create(store=store_id(), name=name, version="1", service="iris")
    return name


def exists(web: Web, bearer: dict[str, str], name: str) -> bool:
    path = f"{API[0]}/model-versions/get?name={name}&version=1"
    return web.ask(path, headers=bearer).status_code == 200


@pytest.mark.parametrize("api", API)
@pytest.mark.parametrize("version", ["1", "01", " 1", "+1", 1])
def test_a_version_in_use_cannot_be_deleted(
    web: Web, bearer: dict[str, str], used: str, api: str, version: Any
) -> None:
    body = {"name": used, "version": version}
    answer = web.ask(f"{api}/model-versions/delete", "DELETE", json=body, headers=bearer)
    assert answer.status_code == 409
    assert answer.json()["error_code"] == "RESOURCE_CONFLICT"
    assert "iris" in answer.json()["message"]
    assert exists(web, bearer, used)


@pytest.mark.parametrize("api", API)
def test_a_model_in_use_cannot_be_deleted_or_renamed(
    web: Web, bearer: dict[str, str], used: str, api: str
) -> None:
    delete = f"{api}/registered-models/delete"
    for data in (json.dumps({"name": used}), json.dumps(json.dumps({"name": used}))):
        headers = {**bearer, "Content-Type": "application/json"}
        assert web.ask(delete, "DELETE", data=data, headers=headers).status_code == 409
    body = {"name": used, "new_name": "other"}
    answer = web.ask(f"{api}/registered-models/rename", "POST", json=body, headers=bearer)
    assert answer.status_code == 409
    assert exists(web, bearer, used)


def test_what_nobody_uses_can_be_deleted(web: Web, bearer: dict[str, str], used: str) -> None:
    VersionUse.objects.all().delete()
    body = {"name": used, "version": "1"}
    answer = web.ask(f"{API[0]}/model-versions/delete", "DELETE", json=body, headers=bearer)
    assert answer.status_code == 200, answer.text
    body = {"name": used}
    answer = web.ask(f"{API[0]}/registered-models/delete", "DELETE", json=body, headers=bearer)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("data", [b"[]", b"{", b'"[1]"', b"[" * 100_000, b'{"name": 1}', b"{}"])
def test_a_body_that_cannot_be_judged_is_400(web: Web, bearer: dict[str, str], data: bytes) -> None:
    headers = {**bearer, "Content-Type": "application/json"}
    delete = f"{API[0]}/registered-models/delete"
    answer = web.ask(delete, "DELETE", data=data, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_huge_body_of_a_judged_write_is_413(web: Web, bearer: dict[str, str]) -> None:
    data = b'{"name": "' + b"x" * 2_000_000 + b'"}'
    delete = f"{API[0]}/registered-models/delete"
    assert web.ask(delete, "DELETE", data=data, headers=bearer).status_code == 413


@pytest.mark.parametrize("location", ["file:///etc", "/etc", "http://10.0.0.1/x", "s3://b", 3])
def test_an_experiment_cannot_keep_artifacts_where_its_maker_says(
    web: Web, bearer: dict[str, str], location: Any
) -> None:
    for key in ("artifact_location", "artifactLocation"):
        body = {"name": f"reads {location} {key}", key: location}
        answer = web.ask(f"{API[0]}/experiments/create", "POST", json=body, headers=bearer)
        assert answer.status_code == 400
        assert key in answer.json()["message"]


def test_what_is_sent_on_is_what_was_judged() -> None:
    raw = b'{"name": "used", "name": "free"}'

    def judge(uses: Any) -> bytes:
        return guarded_body(
            guard="delete_model", raw=raw, uses=uses, artifact_root="", remote=False
        )

    asked: list[str] = []
    sent = judge(lambda name, version: asked.append(name) or [])
    assert json.loads(sent) == {"name": asked[0]}
