"""Models and versions by the REST API."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from registry import selectors, services, uses
from tests.registry.conftest import Store
from workspaces.tokens import token_create
from workspaces.tracking.store.opening import store_id

MODELS = "/api/v1/models"
VERSION = "/api/v1/models/diabetes/versions/1"


@pytest.fixture
def api(store: Store, user: Any, client: Client) -> Client:
    _row, plain = token_create(user=user, name="test")
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {plain}"
    return client


@pytest.fixture
def registered(store: Store, user: Any) -> str:
    services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    return "diabetes"


def _post(api: Client, **body: Any) -> Any:
    return api.post(MODELS, body, content_type="application/json")


def _patch(api: Client, **body: Any) -> Any:
    return api.patch(VERSION, body, content_type="application/json")


def test_without_a_token_it_is_401(store: Store, client: Client, db: None) -> None:
    assert client.get(MODELS).status_code == 401


def test_registering_answers_name_and_version(api: Client, store: Store) -> None:
    answer = _post(api, run_id=store.run_id, name="diabetes", path="model", tags={"a": "b"})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["name"], body["version"], body["uri"]) == ("diabetes", "1", "models:/diabetes/1")
    assert (body["tags"], body["registered_by"], body["problem"]) == ({"a": "b"}, "ada", "")
    assert "dataframe_split" in body["input_example"]


def test_what_is_wrong_is_named_and_changes_nothing(api: Client, store: Store) -> None:
    answer = _post(api, run_id=store.run_id, name="not good", tags={"mlflow.x": "y"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert set(answer.json()["fields"]) == {"name", "tags"}
    assert set(_post(api).json()["fields"]) == {"run_id", "name"}
    assert api.get(MODELS).json() == {"items": [], "next_page_token": ""}


def test_a_run_without_a_model_says_why_not(api: Client, store: Store) -> None:
    answer = _post(api, run_id=store.empty_run_id, name="diabetes")
    assert (answer.status_code, answer.json()["code"]) == (400, "no_model")
    assert _post(api, run_id="0" * 32, name="diabetes").status_code == 404


@pytest.mark.parametrize("body", ["", "[]", "{", '"x"', '{"name": 3, "run_id": {}, "tags": []}'])
def test_a_body_of_another_shape_is_400(api: Client, body: str) -> None:
    assert api.post(MODELS, body, content_type="application/json").status_code == 400


def test_models_are_listed_and_searched(api: Client, registered: str) -> None:
    uses.use_add(store=store_id(), name=registered, version="1", service="ridge")
    (item,) = api.get(MODELS, {"search": "DIAB"}).json()["items"]
    assert (item["name"], item["latest_version"], item["services"]) == ("diabetes", "1", ["ridge"])
    assert api.get(MODELS, {"search": "nothing"}).json()["items"] == []
    assert api.get(MODELS, {"page_token": "made-up"}).status_code == 400


def test_a_model_is_shown_with_its_versions(api: Client, registered: str) -> None:
    body = api.get(f"{MODELS}/diabetes").json()
    assert [item["version"] for item in body["versions"]] == ["1"]
    assert body["next_page_token"] == ""
    assert api.get(f"{MODELS}/nothing").status_code == 404


def test_a_version_is_shown_and_changed(api: Client, registered: str) -> None:
    body = _patch(api, tags={"area": "qna"}, description="d", aliases=["champion"]).json()
    assert (body["tags"], body["description"], body["aliases"]) == (
        {"area": "qna"},
        "d",
        ["champion"],
    )
    body = _patch(api, aliases=[]).json()
    assert (body["tags"], body["aliases"]) == ({"area": "qna"}, [])
    assert api.get(VERSION).json() == body
    assert set(_patch(api, aliases=["latest"], tags={"": ""}).json()["fields"]) == {
        "aliases",
        "tags",
    }


def test_a_model_s_own_description_and_tags_are_changed(api: Client, registered: str) -> None:
    url = f"{MODELS}/diabetes"

    def patch(**body: Any) -> Any:
        return api.patch(url, body, content_type="application/json")

    body = patch(description="of 442 people", tags={"area": "qna"}).json()
    assert (body["description"], body["tags"]) == ("of 442 people", {"area": "qna"})
    assert patch(tags={}).json()["tags"] == {}
    assert api.get(url).json()["description"] == "of 442 people"
    refused = patch(description="x" * 6000, tags={"mlflow.x": "y"})
    assert (refused.status_code, set(refused.json()["fields"])) == (400, {"description", "tags"})
    assert api.patch(f"{MODELS}/gone", {}, content_type="application/json").status_code == 404


@pytest.mark.parametrize("accept", ["application/zip", "*/*", "application/json"])
def test_a_version_is_downloaded_as_one_zip(api: Client, registered: str, accept: str) -> None:
    answer = api.get(f"{VERSION}/archive", headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        kept = {item["path"] for item in api.get(VERSION).json()["files"]}
        assert set(archive.namelist()) == kept
    gone = api.get(f"{MODELS}/diabetes/versions/9/archive", headers={"Accept": accept})
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_two_versions_are_compared(api: Client, registered: str, store: Store, user: Any) -> None:
    services.model_register_from_run(
        run_id=store.two_models_run_id, path="first", name=registered, user=user
    )
    for run, value in ((store.run_id, 2.0), (store.two_models_run_id, float("nan"))):
        store.client.log_metric(run, "rmse", value)
    url = f"{MODELS}/diabetes/compare"
    body = api.get(url, {"left": "1", "right": "2"}).json()
    groups = {group["title"]: group for group in body["groups"]}
    (rmse,) = groups["Metrics"]["rows"]
    assert rmse == {"name": "rmse", "left": 2.0, "right": None, "differs": True, "change": None}
    assert not any(row["differs"] for row in groups["Signature"]["rows"])
    assert (body["left"], body["right"], body["problem"]) == ("1", "2", "")
    assert api.get(url, {"left": "1", "right": "9"}).status_code == 404
    assert set(api.get(url).json()["fields"]) == {"left", "right"}


def test_a_version_says_why_it_needs_a_script_and_where_that_finds_the_files(
    api: Client, registered: str, store: Store, tmp_path: Path
) -> None:
    assert {"why_script": "", "script_path": "$AZUREML_MODEL_DIR/model"}.items() <= (
        api.get(VERSION).json().items()
    )
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "weights.bin").write_bytes(b"1")
    store.version_make("weights", tmp_path / "plain")
    body = api.get(f"{MODELS}/weights/versions/1").json()
    assert body["needs_script"]
    assert "need an entry script" in body["why_script"]
    assert body["script_path"].startswith("$AZUREML_MODEL_DIR")


def test_delete_is_409_while_a_service_uses_it(api: Client, registered: str) -> None:
    use = {"store": store_id(), "name": registered, "version": "1", "service": "ridge"}
    uses.use_add(**use)
    for url in (VERSION, f"{MODELS}/diabetes"):
        answer = api.delete(url)
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert answer.json()["fields"] == {"services": ["ridge"]}
    uses.use_remove(**use)
    assert api.delete(VERSION).status_code == 204
    assert api.delete(VERSION).status_code == 404
    assert api.delete(f"{MODELS}/diabetes").status_code == 204
    assert selectors.models_list().items == ()


@pytest.mark.parametrize("version", ["0", "x", "99999999999999999999", "%00", "1.0", "-1"])
def test_a_version_of_any_text_is_404(api: Client, registered: str, version: str) -> None:
    assert api.get(f"{MODELS}/diabetes/versions/{version}").status_code == 404


def test_the_document_describes_the_calls(api: Client) -> None:
    document = api.get("/api/schema/", {"format": "json"}).json()
    assert {"get", "post"} <= document["paths"]["/api/v1/models"].keys()
    assert "patch" in document["paths"]["/api/v1/models/{name}/versions/{version}"]
