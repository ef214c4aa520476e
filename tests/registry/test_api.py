"""Models and versions by the REST API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from registry import selectors, services, uses
from tests.registry.conftest import Store
from workspaces.tokens import token_create
from workspaces.tracking_stores import store_id

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
