"""The calls about sources, scripts and v1's files, as a program uses them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from deployments.configuring import configuration
from deployments.configuring.v1_json import deployment_import
from deployments.models import Service
from registry.scripts import folders
from tests.scripts.conftest import ECHO
from tests.v1_files.test_deploymentconfig import ACI, AKS
from tests.v1_files.test_inferenceconfig import SAMPLE

pytestmark = pytest.mark.django_db
JSON = "application/json"


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(f"/api/v1{path}", json.dumps(body), content_type=JSON)


def upload(client: Client, *files: tuple[str, bytes], **more: Any) -> Any:
    given = [SimpleUploadedFile(name, content) for name, content in files]
    return client.post("/api/v1/sources", {"file": given, **more})


@pytest.fixture
def source(ada: Client, model: str) -> str:
    answer = post(ada, "/sources", {"files": {"score.py": ECHO}})
    assert answer.status_code == 201, answer.content
    found: str = answer.json()["sha256"]
    return found


def test_texts_are_kept_and_read_back(ada: Client, source: str) -> None:
    answer = ada.get(f"/api/v1/sources/{source}", {"path": "score.py"}).json()
    assert answer["text"] == ECHO
    assert answer["files"] == [{"path": "score.py", "size": len(ECHO)}]
    assert answer["scripts"] == ["score.py"]
    assert "text" not in ada.get(f"/api/v1/sources/{source}").json()


def test_texts_may_be_added_to_a_folder(ada: Client, source: str) -> None:
    body = {"files": {"help.py": ""}, "base": source}
    assert post(ada, "/sources", body).json()["scripts"] == ["help.py", "score.py"]
    assert post(ada, "/sources", {**body, "base": "0" * 64}).status_code == 404


def test_a_folder_is_uploaded_with_its_paths(ada: Client, model: str) -> None:
    paths = json.dumps(["score.py", "lib/help.py"])
    answer = upload(ada, ("score.py", b"x"), ("help.py", b"y"), paths=paths)
    assert answer.status_code == 201, answer.content
    assert answer.json()["scripts"] == ["score.py", "lib/help.py"]


def test_an_archive_is_unpacked(ada: Client, model: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mine/score.py", ECHO)
    answer = upload(ada, ("mine.zip", stream.getvalue()))
    assert answer.json()["scripts"] == ["score.py"]


@pytest.mark.parametrize(
    "paths", ["[", "[1]", "[]", '["a","b"]', "{}", '["../x.py"]', '["a\\u0000"]']
)
def test_paths_that_do_not_fit_are_400(ada: Client, model: str, paths: str) -> None:
    answer = upload(ada, ("score.py", b"x"), paths=paths)
    assert answer.status_code == 400
    assert answer.json()["fields"]


@pytest.mark.parametrize("body", [{}, {"files": []}, {"files": {}}, {"files": {"a": 1.5}}, [], 3])
def test_wrong_bodies_are_400(ada: Client, model: str, body: Any) -> None:
    assert post(ada, "/sources", body).status_code in {201, 400}
    assert post(ada, "/scripts/check", body).status_code == 400


def test_an_upload_without_files_or_with_too_many_is_400(ada: Client, model: str) -> None:
    assert ada.post("/api/v1/sources", {"x": "1"}).status_code == 400
    many = [(f"{number}.py", b"") for number in range(folders.MAX_FILES + 1)]
    answer = upload(ada, *many)
    assert answer.status_code == 400
    assert "files" in answer.json()["message"]


def test_nobody_uploads_without_signing_in(client: Client, db: None) -> None:
    assert post(client, "/sources", {"files": {"a.py": ""}}).status_code == 401


def test_an_unknown_source_is_404(ada: Client, model: str, source: str) -> None:
    assert ada.get("/api/v1/sources/" + "0" * 64).status_code == 404
    assert ada.get(f"/api/v1/sources/{source}", {"path": "../slipway.db"}).status_code == 404


def test_a_text_is_checked_with_line_numbers(ada: Client) -> None:
    answer = post(ada, "/scripts/check", {"text": "def run(*a): pass", "name": "my-score.py"})
    problems = answer.json()["problems"]
    assert [item["line"] for item in problems] == [0, 0, 1]
    assert "file name" in problems[0]["sentence"]
    assert post(ada, "/scripts/check", {"text": ECHO}).json() == {"problems": []}


def test_templates_are_listed(ada: Client) -> None:
    items = ada.get("/api/v1/scripts/templates").json()["items"]
    assert items[0]["name"] == "echo"
    assert "def run" in items[0]["text"]


# --- v1's files --------------------------------------------------------------------------------


def test_both_files_are_imported_at_once(ada: Client) -> None:
    body = {"inferenceconfig": SAMPLE, "deploymentconfig": AKS}
    answer = post(ada, "/configurations/import", body)
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert found["inference"]["entryScript"] == "score.py"
    assert found["deployment"]["scoringTimeoutMs"] == 5000
    assert any("deploymentconfig: namespace" in text for text in found["warnings"])
    assert "geheim" not in answer.text if hasattr(answer, "text") else True


def test_the_violations_of_both_files_are_in_one_message(ada: Client) -> None:
    body = {
        "inferenceconfig": {"entryScript": "1.py"},
        "deploymentconfig": {"computeType": "aks", "gpuCores": -1, "namespace": "_"},
    }
    answer = post(ada, "/configurations/import", body)
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == {
        "inferenceconfig.entryScript",
        "deploymentconfig.gpuCores",
        "deploymentconfig.namespace",
    }


@pytest.mark.parametrize("body", [{}, {"inferenceconfig": []}, {"x": 1}, {"deploymentconfig": 3}])
def test_an_import_of_something_else_is_400(ada: Client, body: Any) -> None:
    assert post(ada, "/configurations/import", body).status_code == 400


@pytest.fixture
def imported(ada: Client, source: str, fake: Any) -> Service:
    body = {
        "name": "imported",
        "model": "models:/diabetes/1",
        "target": "fake",
        "inference": {**SAMPLE, "source": source},
        "deployment": ACI,
    }
    answer = post(ada, "/services", body)
    assert answer.status_code == 202, answer.content
    return Service.objects.get(name="imported")


def test_a_service_takes_v1_s_json_and_gives_it_back(ada: Client, imported: Service) -> None:
    row = ada.get("/api/v1/services/imported").json()
    assert row["inference"]["environment"]["packages"][1] == "pandas"
    assert row["deployment"]["containerResourceRequirements"] == {"cpu": 0.5, "memoryInGB": 1.0}
    answer = ada.get("/api/v1/services/imported/inferenceconfig.json")
    assert answer.json() == SAMPLE
    assert "attachment" in answer["Content-Disposition"]
    assert ada.get("/api/v1/services/imported/deploymentconfig.json").json() == ACI


SCALED = {**AKS, "properties": {"team": "a"}, "tags": {"a": "b,c"}, "numReplicas": None}
TOKEN = {"computeType": "aks", "tokenAuthEnabled": True, "livenessProbeRequirements": {}}


@pytest.mark.parametrize("raw", [SCALED, TOKEN], ids=["autoscale", "token"])
@pytest.mark.parametrize("way", ["as it is", "after an import"])
def test_a_cloud_file_keeps_its_meaning_on_both_ways(
    ada: Client, source: str, fake: Any, raw: Any, way: str
) -> None:
    files = {"inferenceconfig": {**SAMPLE, "source": source}, "deploymentconfig": raw}
    body = {"inference": files["inferenceconfig"], "deployment": raw}
    if way == "after an import":
        body = post(ada, "/configurations/import", files).json()
        body.pop("warnings")
    wanted = {"name": "scaled", "model": "models:/diabetes/1", "target": "fake"}
    answer = post(ada, "/services", {**wanted, **body})
    assert answer.status_code == 202, answer.content
    row = ada.get("/api/v1/services/scaled").json()["deployment"]
    is_token = raw is TOKEN
    assert (row["tokenAuthEnabled"], row["authEnabled"]) == (is_token, not is_token)
    document = ada.get("/api/v1/services/scaled/deploymentconfig.json").json()
    assert document == {name: value for name, value in raw.items() if name != "keys"}
    assert ada.get("/api/v1/services/scaled/inferenceconfig.json").json() == SAMPLE
    assert "geheim" not in json.dumps(Service.objects.get(name="scaled").revisions.get().v1)


def test_a_change_may_bring_its_original_along(ada: Client, imported: Service) -> None:
    imported.operations.update(status="Succeeded")
    files = {"deploymentconfig": AKS}
    found = post(ada, "/configurations/import", files).json()
    change = {"deployment": found["deployment"], "v1": found["v1"]}
    url = f"/api/v1/services/{imported.name}"
    answer = ada.patch(url, json.dumps(change), content_type=JSON)
    assert answer.status_code == 202, answer.content
    document = ada.get(f"{url}/deploymentconfig.json").json()
    assert document["autoScaler"] == AKS["autoScaler"]
    assert configuration.validate("fake", deployment_import(document)[0]) == configuration.validate(
        "fake", found["deployment"]
    )


def test_a_token_file_never_opens_a_service_that_it_changes(ada: Client, imported: Service) -> None:
    url = f"/api/v1/services/{imported.name}"
    for raw in (TOKEN, {"computeType": "aks", "tokenAuthEnabled": False}):
        imported.operations.update(status="Succeeded")
        answer = ada.patch(url, json.dumps({"deployment": raw}), content_type=JSON)
        assert answer.status_code == 202, answer.content
        row = ada.get(url).json()["deployment"]
        assert row["tokenAuthEnabled"] or row["authEnabled"]


@pytest.mark.parametrize(
    ("v1", "field"),
    [
        ({"x": {}}, "v1.x"),
        ({"inferenceconfig": [1]}, "v1.inferenceconfig"),
        ({"deploymentconfig": {}}, "v1.deploymentconfig.computeType"),
        (
            {"deploymentconfig": {"computeType": "aks", "gpuCores": -1}},
            "v1.deploymentconfig.gpuCores",
        ),
    ],
)
def test_originals_that_are_none_are_refused(
    ada: Client, fake: Any, model: str, v1: Any, field: str
) -> None:
    body = {"name": "not-so", "model": "models:/diabetes/1", "target": "fake", "v1": v1}
    answer = post(ada, "/services", body)
    assert answer.status_code == 400
    assert field in answer.json()["fields"]
    assert post(ada, "/services", {**body, "v1": [v1]}).status_code == 400
    assert not Service.objects.exists()


def test_preflight_reads_v1_s_json_and_warns_of_an_open_service(
    ada: Client, fake: Any, model: str
) -> None:
    body = {"name": "not-yet", "model": "models:/diabetes/1", "target": "fake"}

    def checks(deployment: Any) -> dict[str, str]:
        items = post(ada, "/preflight", {**body, "deployment": deployment}).json()["items"]
        return {item["name"]: item["result"] for item in items}

    assert "access" not in checks(TOKEN)
    assert "configuration" not in checks(TOKEN)
    assert checks({"computeType": "aci", "authEnabled": False})["access"] == "warning"


def test_the_export_follows_what_was_changed(ada: Client, imported: Service, source: str) -> None:
    imported.operations.update(status="Succeeded")
    change = {
        "inference": {"entryScript": "score.py", "source": source},
        "deployment": {"workers": 2},
    }
    answer = ada.patch("/api/v1/services/imported", json.dumps(change), content_type=JSON)
    assert answer.status_code == 202, answer.content
    document = ada.get("/api/v1/services/imported/inferenceconfig.json").json()
    assert document == {"entryScript": "score.py", "sourceDirectory": "./source"}
    assert ada.get("/api/v1/services/imported/deploymentconfig.json").json() == ACI


def test_a_service_without_code_has_no_inferenceconfig(ada: Client, service: Service) -> None:
    name = service.name
    assert ada.get(f"/api/v1/services/{name}/inferenceconfig.json").status_code == 404
    document = ada.get(f"/api/v1/services/{name}/deploymentconfig.json").json()
    assert document["computeType"] == "local"
    assert ada.get("/api/v1/services/nobody/deploymentconfig.json").status_code == 404


def test_a_broken_script_is_refused_by_field(ada: Client, fake: Any, model: str) -> None:
    source = post(ada, "/sources", {"files": {"score.py": "def init(): pass"}}).json()["sha256"]
    body = {
        "name": "no",
        "model": "models:/diabetes/1",
        "target": "fake",
        "inference": {"entryScript": "score.py", "source": source, "environment": "x:1"},
    }
    answer = post(ada, "/services", body)
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == {
        *("name", "inference.entryScript", "inference.environment")
    }
