"""v1's files on the Deploy page: filled in, deployed and exported, they mean what they meant."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.configuring import configuration
from deployments.configuring.v1_json import deployment_import
from deployments.models import Service
from deployments.pages.forms import DeployInput, with_deployment
from tests.deploy_pages.html import Page
from tests.deploy_pages.test_deploy import HTMX, form
from tests.deploy_pages.test_deploy import targets as targets
from tests.scripts.conftest import ECHO, Keep
from tests.v1_files.test_deploymentconfig import ACI, AKS, RESOURCES
from tests.v1_files.test_inferenceconfig import SAMPLE

pytestmark = pytest.mark.django_db
URL = reverse("deployments:deploy")
PREFLIGHT = reverse("deployments:deploy-preflight")
IMPORT = reverse("deployments:deploy-import")
TOKEN = {"computeType": "aks", "tokenAuthEnabled": True, "computeTargetName": "cluster"}
FULL = {
    **AKS,
    "tags": {"team": "a", "of": "b,c"},
    "properties": {"origin": "azure"},
    "description": "two\nlines",
    "scoringTimeoutMs": 1234567,
    RESOURCES: {"cpu": 0.5, "cpuLimit": 1.25, "memoryInGB": 1.0, "memoryInGBLimit": 1.5},
}


def filled(answer: Any) -> dict[str, str]:
    """What a browser would send of the form as it came back."""
    page, values = Page(answer), {}
    for item in page.all("input"):
        kind, name = item.attributes.get("type", "text"), item.attributes.get("name", "")
        chosen = kind not in {"checkbox", "radio"} or "checked" in item.attributes
        if name and chosen and kind != "file":
            values[name] = item.attributes.get("value", "")
    for item in page.all("textarea"):
        if "name" in item.attributes:
            values[item["name"]] = "".join(item.pieces)
    for item in page.all("option"):
        if "selected" in item.attributes and item.within(id="id_environment"):
            values["environment"] = item["value"]
    return {**values, "version": "1"}


@pytest.fixture
def fill(ada: Client, model: str, targets: None) -> Any:
    def press(**changes: Any) -> Any:
        answer = ada.post(IMPORT, form(**changes), headers=HTMX)
        assert answer.status_code == 200, Page(answer).one("form").text
        return answer

    return press


def deployed(ada: Client, values: dict[str, str]) -> Service:
    answer = ada.post(URL, values)
    assert answer.status_code == 302, Page(answer).one("main").text
    return Service.objects.get(name=values["name"])


def exported(ada: Client, name: str, file: str = "deploymentconfig") -> Any:
    return ada.get(f"/api/v1/services/{name}/{file}.json").json()


@pytest.mark.parametrize("raw", [ACI, AKS, TOKEN, FULL], ids=["aci", "aks", "token", "full"])
def test_a_file_that_was_filled_in_comes_out_as_it_went_in(
    ada: Client, fill: Any, raw: dict[str, Any]
) -> None:
    service = deployed(ada, filled(fill(deploymentconfig=json.dumps(raw))))
    document = exported(ada, service.name)
    assert document == {name: value for name, value in raw.items() if name != "keys"}
    wish = configuration.from_dict(service.revisions.get().deployment)
    found = replace(wish, tags=service.tags, description=service.description)
    assert found == configuration.validate("fake", deployment_import(raw)[0])


def test_a_token_file_asks_for_tokens_and_the_switch_shows_it(ada: Client, fill: Any) -> None:
    answer = fill(deploymentconfig=json.dumps(TOKEN))
    assert "checked" in Page(answer).one("input", name="token_auth").attributes
    assert "checked" not in Page(answer).one("input", name="auth").attributes
    service = deployed(ada, filled(answer))
    found = configuration.from_dict(service.revisions.get().deployment)
    assert (found.auth_enabled, found.token_auth_enabled) == (False, True)


def test_a_second_file_does_not_leave_open_what_the_first_closed_with_tokens(
    ada: Client, fill: Any
) -> None:
    first = filled(fill(deploymentconfig=json.dumps(TOKEN)))
    for raw in ({"computeType": "aks"}, {"computeType": "local"}, {"computeType": "aci"}):
        second = filled(fill(**{**first, "deploymentconfig": json.dumps(raw)}))
        assert (second.get("auth"), second.get("token_auth")) == ("on", None)


def test_an_open_service_is_warned_of_before_it_is_deployed(
    ada: Client, model: str, targets: None
) -> None:
    posted = form()
    assert "anybody who reaches the gateway" not in ada.post(PREFLIGHT, posted).content.decode()
    posted.pop("auth")
    assert "anybody who reaches the gateway" in ada.post(PREFLIGHT, posted).content.decode()


def test_our_own_export_fills_in_the_form_with_all_it_names(ada: Client, fill: Any) -> None:
    wish = configuration.validate(
        "fake",
        {"workers": 2, "batching": "exact", "corsOrigins": ["*"], "properties": {"a": "b"}},
    )
    raw = {"computeType": "local", **wish.as_json()}
    answer = fill(deploymentconfig=json.dumps(raw))
    line = Page(answer).one("form").text
    for words in ("Also taken from the file", "workers: 2", 'properties: {"a": "b"}'):
        assert words in line
    assert "maxQueue:" not in line  # what is usual needs no telling
    service = deployed(ada, filled(answer))
    assert configuration.from_dict(service.revisions.get().deployment) == wish
    assert exported(ada, service.name) == raw


def test_what_was_also_taken_can_be_left_out(ada: Client, fill: Any) -> None:
    raw = {"computeType": "local", "workers": 2}
    values = filled(fill(deploymentconfig=json.dumps(raw)))
    assert json.loads(values.pop("carried")) == {"workers": 2}
    service = deployed(ada, values)
    assert configuration.from_dict(service.revisions.get().deployment).workers == 1


@pytest.mark.parametrize(
    ("carried", "words"),
    [
        ("{", "Also taken from the file"),
        ("[1]", "Also taken from the file"),
        ('{"a": "\\u0000"}', "Also taken from the file"),
        ('{"a": NaN}', "Also taken from the file"),
        ('{"surprise": 1}', "surprise"),
        ('{"workers": 99}', "workers"),
        ('{"tags": 3, "properties": [1]}', "properties"),
    ],
)
def test_what_is_carried_is_judged_like_all_the_rest(
    ada: Client, model: str, targets: None, carried: str, words: str
) -> None:
    answer = ada.post(URL, form(carried=carried), headers=HTMX)
    assert answer.status_code == 422
    assert words in Page(answer).one("div", id="deploy-problem").text
    assert ada.post(PREFLIGHT, form(carried=carried)).status_code == 200
    assert not Service.objects.exists()


def test_a_control_wins_over_what_is_carried() -> None:
    values = DeployInput(model="m", carried='{"authEnabled": false, "workers": 2}')
    assert values.deployment()["authEnabled"] is True
    assert values.deployment()["workers"] == 2


@pytest.mark.parametrize("milliseconds", [100, 1001, 1234567, 3599999])
def test_the_timeout_is_the_same_after_seconds_were_shown(milliseconds: int) -> None:
    values = with_deployment(DeployInput(model="m"), {"scoringTimeoutMs": milliseconds})
    assert values.deployment()["scoringTimeoutMs"] == milliseconds


def test_models_sample_and_source_beside_v1_s_names_fill_in_the_form(
    ada: Client, fill: Any, keep: Keep
) -> None:
    source = keep()
    ours = {"models": ["models:/diabetes/1"], "sampleInput": {"data": [1]}, "source": source}
    values = filled(fill(inferenceconfig=json.dumps({**SAMPLE, **ours})))
    assert values["models"] == "models:/diabetes/1"
    assert json.loads(values["sample"]) == {"data": [1]}
    assert values["script_text"] == ECHO
    service = deployed(ada, values)
    found = service.revisions.get().inference
    assert {name: found[name] for name in ours} == ours
    assert exported(ada, service.name, "inferenceconfig") == SAMPLE


def test_what_the_file_does_not_name_stays_as_it_was_typed(fill: Any) -> None:
    typed = {"models": "models:/diabetes/1", "sample": "[1]", "code": "script"}
    values = filled(fill(**typed, inferenceconfig=json.dumps(SAMPLE)))
    assert {name: values[name] for name in typed} == typed


@pytest.mark.parametrize(
    "text", ['{"computeType": "aks", "x": 1e999}', '{"computeType": "\\u0000"}']
)
def test_json_that_cannot_be_kept_is_refused(
    ada: Client, model: str, targets: None, text: str
) -> None:
    assert ada.post(IMPORT, form(deploymentconfig=text), headers=HTMX).status_code == 422
    service = deployed(ada, form(deploymentconfig=text))
    assert service.revisions.get().v1 == {}
