"""The configuration of a service that serves: changed by API, in force where requests arrive."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flow.api import Api
from tests.flow.test_main_job import BODY

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]
PAGE = "https://app.example.com"


def changed(api: Api, name: str, **deployment: Any) -> dict[str, Any]:
    """Change a service and wait until the new revision serves."""
    before = api.get(f"/services/{name}")["revision"]
    answer = api.call("PATCH", f"/services/{name}", json={"deployment": deployment})
    assert answer.status_code == 202, answer.text
    operation = answer.json()["operation"]["id"]

    def arrived(row: dict[str, Any]) -> bool:
        ended = api.get(f"/operations/{operation}")["status"]
        assert ended in {"Running", "Succeeded"}, api.get(f"/operations/{operation}")
        return ended == "Succeeded" and row["state"] == "Healthy" and row["revision"] > before

    return api.wait(name, arrived)


@pytest.fixture(scope="module")
def service(api: Api) -> str:
    api.deploy("settings")
    api.healthy("settings")
    return "settings"


def test_it_says_how_it_is_loaded_and_whether_it_batches(api: Api, service: str) -> None:
    row = api.get(f"/services/{service}")
    assert row["loader"] == "fast", row["loader_reason"]
    assert row["batching"]["on"] is row["batching"]["row_wise"] is not None
    assert row["batching"]["reason"]
    log = api.get(f"/operations/{row['operation']}/log?offset=0")["text"]
    checked = "Checking the model with the fast loader.", "The model was checked before"
    assert any(said in log for said in checked), log  # other tests deploy the same model


def test_every_change_is_in_force_where_requests_arrive(api: Api, service: str) -> None:
    plain = {"authorization": "Bearer none"}
    assert api.score(service, json=BODY, headers=plain).status_code == 401
    row = changed(
        api,
        service,
        workers=2,
        batching="exact",
        authEnabled=False,
        tokenAuthEnabled=True,
        corsOrigins=[PAGE],
        maxBodyBytes=4096,
    )
    assert row["batching"]["on"] is False
    token = api.call("POST", f"/services/{service}/token").json()["access_token"]
    bearer = {"authorization": f"Bearer {token}", "origin": PAGE}
    answer = api.score(service, json=BODY, headers=bearer)
    assert answer.status_code == 200, answer.text
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert api.score(service, json=BODY, headers=api.key(service)).status_code == 401
    assert api.score(service, content=b" " * 5000, headers=bearer).status_code == 413

    api.call("POST", f"/services/{service}/keys/regenerate", json={"key": "token"})
    api.wait(
        service,
        lambda _: api.score(service, json=BODY, headers=bearer).status_code == 401,
        seconds=30,
    )


def test_a_second_deploy_of_the_model_asks_nothing_twice(api: Api, service: str) -> None:
    api.deploy("settings-again")
    row = api.healthy("settings-again")
    log = api.get(f"/operations/{row['operation']}/log?offset=0")["text"]
    assert "The model was checked before in this environment" in log
    assert row["batching"]["on"] is row["batching"]["row_wise"]
