"""The Deploy page with an entry script and with v1's files; Settings that shows them."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from mlflow import MlflowClient

from deployments.models import Service
from registry.environments.curated import curated_ensure
from registry.models import Environment, EnvironmentVersion
from registry.scripts.folders import source_read
from tests.deploy_pages.html import Page
from tests.deploy_pages.test_deploy import HTMX, form
from tests.deploy_pages.test_deploy import targets as targets
from tests.scripts.conftest import ECHO, Keep
from tests.v1_files.test_deploymentconfig import AKS
from tests.v1_files.test_inferenceconfig import SAMPLE
from workspaces.models import Event

pytestmark = pytest.mark.django_db
URL = reverse("deployments:deploy")
PREFLIGHT = reverse("deployments:deploy-preflight")
IMPORT = reverse("deployments:deploy-import")


def script(**changes: Any) -> dict[str, str]:
    values = {"code": "script", "script_name": "score.py", "script_text": ECHO, "source": ""}
    return form(**{**values, **changes})


@pytest.fixture
def made(ada: Client, model: str, fake: Any) -> Any:
    def press(**changes: Any) -> Service:
        answer = ada.post(URL, script(**changes))
        assert answer.status_code == 302, Page(answer).one("main").text
        return Service.objects.get(name=changes.get("name", "diabetes-v1"))

    return press


def test_no_code_is_chosen_at_first(ada: Client, model: str, targets: None) -> None:
    page = Page(ada.get(URL, {"model": "diabetes", "version": "1"}))
    assert "checked" in page.one("input", id="code-none").attributes
    assert "No code" in page.one("main").text


def test_a_typed_script_is_deployed_with_everything_beside_it(made: Any) -> None:
    tools = Environment.objects.create(name="tools")
    EnvironmentVersion.objects.create(environment=tools, version="1", packages=["toolz"])
    service = made(environment="tools:1", models="\nmodels:/diabetes/1\n", sample='{"data": 1}')
    inference = service.revisions.get().inference
    assert source_read(inference.pop("source"), "score.py") == ECHO
    assert inference == {
        "entryScript": "score.py",
        "environment": "tools:1",
        "models": ["models:/diabetes/1"],
        "sampleInput": {"data": 1},
    }


def test_an_edited_file_of_an_uploaded_folder_makes_a_new_folder(made: Any, keep: Keep) -> None:
    source = keep(lib__help="x = 1")
    service = made(source=source, script_text=ECHO + "# more\n")
    found = service.revisions.get().inference["source"]
    assert found != source
    assert source_read(found, "lib/help") == "x = 1"
    untouched = made(name="second", source=source, script_text=ECHO.replace("\n", "\r\n"))
    assert untouched.revisions.get().inference["source"] == source


def test_an_environment_may_be_written_out(made: Any) -> None:
    text = json.dumps({"packages": ["toolz"], "variables": {"A": "b"}})
    found = made(environment="inline", environment_text=text).revisions.get().inference
    assert found["environment"]["packages"] == ["toolz"]


@pytest.mark.parametrize(
    ("changes", "control", "words"),
    [
        ({"script_text": "def init(): pass"}, "script_name", "run() function"),
        ({"script_text": ""}, "script_name", "init() function"),
        ({"script_name": "my-score.py"}, "script_name", "identifier"),
        ({"script_name": "../x.py"}, "script_name", ""),
        ({"script_name": "a\nb.py"}, "script_name", ""),
        ({"environment": "gone:1"}, "environment", "gone:1"),
        ({"environment": "inline", "environment_text": "{"}, "environment", "no JSON"),
        ({"models": "models:/gone/1"}, "models", "gone"),
        ({"sample": "{x"}, "sample", "no JSON"),
        ({"sample": "[NaN]"}, "sample", "no JSON"),
        ({"sample": '{"a": "\\u0000"}'}, "sample", "NUL"),
        ({"source": "0" * 64}, "script_name", "upload"),
    ],
)
def test_what_is_wrong_stands_in_the_answer_and_nothing_is_made(
    ada: Client, model: str, fake: Any, changes: dict[str, str], control: str, words: str
) -> None:
    answer = ada.post(URL, script(**changes), headers=HTMX)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Service.objects.exists()


def test_preflight_looks_at_what_is_typed_and_leaves_no_event(
    ada: Client, model: str, fake: Any
) -> None:
    good = ada.post(PREFLIGHT, script()).content.decode()
    assert "The entry script has init() and run()." in good
    broken = ada.post(PREFLIGHT, script(script_text="def run(:")).content.decode()
    assert "Line 1: This is not Python" in broken
    assert "disabled" in broken
    assert not Event.objects.filter(kind="source.created").exists()


def test_v1_s_files_fill_in_the_form(ada: Client, model: str, targets: None) -> None:
    posted = form(inferenceconfig=json.dumps(SAMPLE), deploymentconfig=json.dumps(AKS))
    page = Page(ada.post(IMPORT, posted, headers=HTMX))
    assert "checked" in page.one("input", id="code-script").attributes
    assert page.one("input", id="id_script_name")["value"] == "score.py"
    assert page.one("input", id="id_cpu")["value"] == "0.5"
    assert page.one("input", id="id_timeout")["value"] == "5"
    assert "pandas" in page.one("textarea", id="id_environment_text").text
    assert "namespace has no meaning" in page.one("form").text


def test_v1_s_violations_are_all_told(ada: Client, model: str, targets: None) -> None:
    raw = {"computeType": "aks", "gpuCores": -1, "namespace": "_"}
    answer = ada.post(IMPORT, form(deploymentconfig=json.dumps(raw)), headers=HTMX)
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "gpuCores" in text
    assert "namespace" in text
    assert ada.post(IMPORT, form(deploymentconfig="{"), headers=HTMX).status_code == 422
    assert ada.post(IMPORT, form(), headers=HTMX).status_code == 422


def test_imported_files_come_out_of_the_service_again(made: Any, ada: Client) -> None:
    raw = {"entryScript": "score.py", "sourceDirectory": "./mine"}
    service = made(inferenceconfig=json.dumps(raw), deploymentconfig=json.dumps(AKS))
    assert service.revisions.get().v1["inferenceconfig"] == raw
    assert "geheim" not in json.dumps(service.revisions.get().v1)
    name = service.name
    assert ada.get(f"/api/v1/services/{name}/inferenceconfig.json").json() == raw


def test_settings_show_the_script_and_link_v1_s_files(made: Any, ada: Client) -> None:
    service = made()
    url = reverse("deployments:service-tab", args=[service.name, "settings"])
    page = Page(ada.get(url))
    assert "def run(data)" in page.one("code", id="entry-script").text
    assert "inferenceconfig.json" in page.one("main").text
    Service.objects.filter(pk=service.pk).update(active=service.wanted)
    test = reverse("deployments:service-tab", args=[service.name, "test"])
    assert ada.get(test).status_code == 200


def test_settings_of_a_service_without_code_say_so(ada: Client, service: Service) -> None:
    url = reverse("deployments:service-tab", args=[service.name, "settings"])
    assert "No code" in Page(ada.get(url)).one("main").text


def test_the_test_page_starts_with_the_sample_input(made: Any, ada: Client) -> None:
    service = made(sample='{"data": [41]}')
    url = reverse("deployments:service-tab", args=[service.name, "test"])
    assert "41" in Page(ada.get(url)).one("textarea", id="id_body").text


def test_a_model_that_no_code_can_serve_starts_with_a_script(
    ada: Client, model: str, targets: None, tmp_path: Any
) -> None:
    (tmp_path / "files" / "MLmodel").unlink()
    page = Page(ada.get(URL, {"model": "diabetes", "version": "1"}))
    assert "checked" in page.one("input", id="code-script").attributes


@pytest.fixture
def weights(model: str, tmp_path: Any) -> str:
    """A version that is a TorchScript file."""
    folder = tmp_path / "weights"
    folder.mkdir()
    with zipfile.ZipFile(folder / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", b"")
        archive.writestr("net/constants.pkl", b"")
    uri = django_settings.SLIPWAY.tracking_uri
    client = MlflowClient(uri, uri)
    client.create_registered_model("net")
    client.create_model_version("net", str(folder))
    return "net"


def test_a_version_that_needs_a_script_is_offered_the_one_of_its_format(
    ada: Client, weights: str, targets: None
) -> None:
    curated_ensure()
    page = Page(ada.get(URL, {"model": weights, "version": "1"}))
    assert "No code" not in page.one("main").text
    assert "need an entry script" in page.one("main").text
    assert not page.all("input", id="code-none")
    assert "checked" in page.one("input", id="code-script").attributes
    assert "torch.jit.load" in page.one("textarea", id="id_script_text").text
    chosen = [item for item in page.all("option") if "selected" in item.attributes]
    assert any(item["value"].startswith("Slipway-pytorch-cpu:") for item in chosen)


def test_deploy_without_the_script_that_it_needs_says_so_at_the_script(
    ada: Client, weights: str, targets: None
) -> None:
    answer = ada.post(URL, form(model=weights, name="net"), headers=HTMX)
    assert answer.status_code == 422
    page = Page(answer)
    assert "need an entry script" in page.one("div", id="id_script_name_error").text
    assert not page.all("div", id="id_version_error")
    assert "torch.jit.load" in page.one("textarea", id="id_script_text").text
    assert not Service.objects.exists()


def test_a_version_that_no_code_can_serve_may_have_a_script(made: Any, ada: Client) -> None:
    page = Page(ada.get(URL, {"model": "diabetes", "version": "1"}))
    assert {item["value"] for item in page.all("input", name="code")} == {"", "script"}
    assert page.one("textarea", id="id_script_text").text.strip() == ""
    assert made(code="").revisions.get().inference == {}
    assert made(name="second").revisions.get().inference["entryScript"] == "score.py"


def test_settings_of_a_version_that_needs_a_script_offer_no_other_way(
    ada: Client, weights: str, fake: Any
) -> None:
    tools = Environment.objects.create(name="tools")
    EnvironmentVersion.objects.create(environment=tools, version="1", packages=["torch"])
    answer = ada.post(URL, script(model=weights, name="net", environment="tools:1"))
    assert answer.status_code == 302, Page(answer).one("main").text
    service = Service.objects.get(name="net")
    service.operations.update(status="Succeeded")
    url = reverse("deployments:service-tab", args=["net", "settings"])
    assert not Page(ada.get(url)).all("input", id="code-none")
    assert settings(ada, service, code="").status_code == 422


def settings(ada: Client, service: Service, **changes: Any) -> Any:
    url = reverse("deployments:service-tab", args=[service.name, "settings"])
    values = {"form": "inference", "code": "script", "script_name": "score.py"}
    return ada.post(url, {**values, "script_text": ECHO, **changes}, headers=HTMX)


def test_settings_change_the_script_and_make_a_revision(made: Any, ada: Client) -> None:
    service = made(sample='{"data": 1}')
    service.operations.update(status="Succeeded")
    url = reverse("deployments:service-tab", args=[service.name, "settings"])
    page = Page(ada.get(url))
    assert "def run(data)" in page.one("textarea", id="id_script_text").text
    assert "checked" in page.one("input", id="code-script").attributes
    source = page.one("input", name="source")["value"]
    answer = settings(ada, service, script_text=ECHO + "# 2", source=source, sample="[2]")
    assert answer.status_code == 204, answer.content
    latest = service.revisions.first().inference
    assert source_read(latest["source"], "score.py") == ECHO + "# 2"
    assert latest["sampleInput"] == [2]
    service.operations.update(status="Succeeded")
    assert settings(ada, service, code="").status_code == 204
    assert service.revisions.first().inference == {}


def test_a_broken_script_in_settings_changes_nothing(made: Any, ada: Client) -> None:
    service = made()
    service.operations.update(status="Succeeded")
    answer = settings(ada, service, script_text="def run(:", environment="gone:1")
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "This is not Python" in text
    assert "gone:1" in text
    assert service.revisions.count() == 1
