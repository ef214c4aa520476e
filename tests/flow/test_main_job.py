"""The main job by API and curl: register, deploy, score, stop, delete, on a local process."""

from __future__ import annotations

import subprocess

import httpx
import pytest

from tests.flow.api import Api

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]
ROW = [[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]]
COLUMNS = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
BODY = {"dataframe_split": {"columns": COLUMNS, "data": ROW}}


@pytest.fixture(scope="module")
def service(api: Api) -> str:
    api.deploy("main-job")
    api.healthy("main-job")
    return "main-job"


def prediction() -> float:
    """What the model must say of ROW, computed here."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    x, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    return float(Ridge().fit(x, y).predict(x.head(1))[0])


def test_the_key_gets_the_right_prediction(api: Api, service: str) -> None:
    answer = api.score(service, json=BODY, headers=api.key(service))
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == pytest.approx([prediction()], rel=1e-9)
    assert answer.headers["x-request-id"]


def test_without_a_key_it_is_401(api: Api, service: str) -> None:
    answer = api.score(service, json=BODY)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_wrong_body_is_400_and_names_the_field(api: Api, service: str) -> None:
    body = {"dataframe_split": {"columns": COLUMNS[1:], "data": [ROW[0][1:]]}}
    answer = api.score(service, json=body, headers=api.key(service))
    assert answer.status_code == 400
    assert "age" in answer.text


def test_a_200_mb_body_is_413_for_curl(api: Api, service: str, tmp_path: object) -> None:
    from pathlib import Path

    body = Path(str(tmp_path)) / "body"
    with body.open("wb") as stream:
        stream.truncate(200 * 1024 * 1024)
    uri = f"http://127.0.0.1:{api.studio.gateway_port}/api/v1/service/{service}/score"
    key = api.key(service)["authorization"]
    done = subprocess.run(
        [
            *("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{body}"),
            *("-H", f"Authorization: {key}", "-H", "Content-Type: application/json", uri),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "413", done


def test_an_unknown_service_is_404(api: Api) -> None:
    assert api.score("nobody-knows-it", json=BODY).status_code == 404


def test_regenerated_keys_count_within_seconds(api: Api, service: str) -> None:
    before = api.key(service)
    api.call("POST", f"/services/{service}/keys/regenerate", json={"key": "primary"})
    after = api.key(service)
    assert before != after
    api.wait(
        service,
        lambda _: (
            api.score(service, json=BODY, headers=after).status_code == 200
            and api.score(service, json=BODY, headers=before).status_code == 401
        ),
        seconds=30,
    )


def test_a_stopped_service_is_503_with_a_reason_and_starts_again(api: Api, service: str) -> None:
    key = api.key(service)
    assert api.call("POST", f"/services/{service}/stop").status_code == 202
    api.wait(service, lambda row: row["state"] == "Stopped", 60)
    answer = api.score(service, json=BODY, headers=key)
    assert answer.status_code == 503
    assert "stopped" in answer.json()["message"]
    assert api.call("POST", f"/services/{service}/start").status_code == 202
    api.healthy(service)
    assert api.score(service, json=BODY, headers=key).status_code == 200


def test_a_used_version_cannot_be_deleted_here_nor_in_mlflow(api: Api, service: str) -> None:
    _, name, version = api.model("good").split("/")
    refused = api.call("DELETE", f"/models/{name}/versions/{version}")
    assert refused.status_code == 409
    assert service in refused.text
    mlflow = httpx.request(
        "DELETE",
        f"{api.studio.url}/mlflow/api/2.0/mlflow/model-versions/delete",
        headers={"authorization": f"Bearer {api.token}"},
        json={"name": name, "version": version},
    )
    assert mlflow.status_code in {400, 409}
    assert "error_code" in mlflow.json()


def test_a_deleted_service_leaves_no_process_and_no_folder(api: Api) -> None:
    api.deploy("short-lived")
    api.healthy("short-lived")
    folder = api.studio.data.services / "short-lived"
    assert folder.is_dir()
    api.gone("short-lived")
    assert not folder.exists()
    assert api.score("short-lived", json=BODY).status_code == 404
    assert api.call("DELETE", "/services/short-lived").status_code == 204
