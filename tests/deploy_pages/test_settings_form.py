"""The configuration of a service: shown on its page, changed on its Settings tab."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from deployments.configuring.configuration import DeploymentConfiguration, from_dict, validate
from deployments.models import Revision
from deployments.pages.settings_form import GROUPS, deployment, posted, shown
from tests.deploy_pages.html import Page

CONTROLS = [control for group in GROUPS for control in group.controls]
SETTINGS = reverse("deployments:service-tab", args=["diabetes-v1", "settings"])
CONSUME = reverse("deployments:service-tab", args=["diabetes-v1", "consume"])
HTMX = {"HTTP_HX_REQUEST": "true"}


def typed(wish: DeploymentConfiguration, **changes: Any) -> dict[str, str]:
    """What a browser sends of the form filled with `wish`, after some changes."""
    fields = {
        control.name: "on" if control.kind == "switch" else control.value
        for group in shown(wish)
        for control in group.controls
        if control.kind != "switch" or control.value
    }
    merged = {**fields, "form": "configuration", **changes}
    return {name: text for name, text in merged.items() if text is not None}


def set_wish(**raw: Any) -> DeploymentConfiguration:
    wish = validate("fake", raw)
    Revision.objects.update(deployment=wish.as_dict())
    return wish


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {
            "workers": 4,
            "maxBodyBytes": 1024,
            "scoringTimeoutMs": 1500,
            "batching": "exact",
            "corsOrigins": ["https://a.example", "https://b.example"],
            "tokenAuthEnabled": True,
            "authEnabled": False,
            "accessLog": False,
            "appInsightsEnabled": True,
            "telemetry": {"endpoint": "http://collector:4318", "sample": 0.25},
            "containerResourceRequirements": {"cpu": 2.5, "memoryInGB": 0.5},
        },
    ],
)
def test_what_the_form_shows_is_what_it_sends(raw: dict[str, Any]) -> None:
    wish = validate("fake", raw)
    sent = deployment(posted(typed(wish)))
    assert validate("fake", sent, DeploymentConfiguration()) == wish


def test_the_page_shows_every_setting_with_its_value(ada, service) -> None:
    set_wish(workers=3, maxQueue=17, corsOrigins=["https://a.example"])
    page = Page(ada.get(SETTINGS))
    assert page.one("input", id="id_workers")["value"] == "3"
    assert page.one("input", id="id_max_queue")["value"] == "17"
    assert page.one("textarea", id="id_cors").text == "https://a.example"
    tags = {"choice": "select", "lines": "textarea"}
    for control in CONTROLS:
        page.one(tags.get(control.kind, "input"), id=f"id_{control.name}")


def test_a_change_makes_a_revision_and_leads_to_the_service(ada, service, model) -> None:
    wish = set_wish()
    answer = ada.post(SETTINGS, typed(wish, workers="2", batching="exact", access_log=None))
    assert answer.status_code == 302
    assert answer["location"] == reverse("deployments:service", args=["diabetes-v1"])
    service.refresh_from_db()
    made = from_dict(service.wanted.deployment)
    assert (service.wanted.number, made.workers, made.batching) == (2, 2, "exact")
    assert made.access_log is False
    assert service.active.number == 1


def test_nothing_changed_makes_no_revision(ada, service, model) -> None:
    assert ada.post(SETTINGS, typed(set_wish())).status_code == 302
    assert service.revisions.count() == 1


@pytest.mark.parametrize("htmx", [{}, HTMX])
def test_wrong_values_come_back_each_at_its_control(ada, service, model, htmx) -> None:
    wrong = {"workers": "33", "max_body": "0", "cors": "a.example", "sample": "many"}
    answer = ada.post(SETTINGS, typed(set_wish(), **wrong), **htmx)
    assert answer.status_code == 422
    page = Page(answer)
    for name in wrong:
        assert page.one("div", id=f"id_{name}_error").text
    assert page.one("input", id="id_workers")["value"] == "33"
    assert ("<html" in answer.content.decode()) is not bool(htmx)
    assert service.revisions.count() == 1


def test_a_change_while_an_operation_is_open_is_told(ada, service, model) -> None:
    wish = set_wish()
    ada.post(SETTINGS, typed(wish, workers="2"))
    answer = ada.post(SETTINGS, typed(wish, workers="3"))
    assert answer.status_code == 422
    assert "Another operation" in answer.content.decode()


def test_the_overview_says_how_requests_are_served(ada, service) -> None:
    set_wish(
        workers=3, maxQueue=17, maxBodyBytes=2 * 1024 * 1024, corsOrigins=["https://a.example"]
    )
    Revision.objects.update(
        loader="fast", loader_reason="A native model.", row_wise=True, row_wise_reason="64 equal."
    )
    text = ada.get(reverse("deployments:service", args=["diabetes-v1"])).content.decode()
    for words in ("On, up to 1,024 rows", "64 equal.", "Fast, without MLflow", "A native model.",
                  "17 per worker", "https://a.example"):  # fmt: skip
        assert words in text, words


def test_tokens_are_offered_only_where_they_are_taken(ada, service, model) -> None:
    assert "Get a token" not in ada.get(CONSUME).content.decode()
    set_wish(tokenAuthEnabled=True)
    assert "Get a token" in ada.get(CONSUME).content.decode()


@pytest.mark.parametrize("htmx", [{}, HTMX])
def test_a_token_is_shown_with_its_end(ada, service, model, htmx) -> None:
    set_wish(tokenAuthEnabled=True)
    answer = ada.post(reverse("deployments:service-token", args=["diabetes-v1"]), **htmx)
    assert answer.status_code == 200
    assert "no-store" in answer["cache-control"]
    assert "Works until" in answer.content.decode()
    assert Page(answer).one("span", class_="secret")["data-value"].count(".") == 2


def test_programs_get_a_token_where_keys_are_not_taken(ada, service, model) -> None:
    set_wish(tokenAuthEnabled=True, authEnabled=False)
    answer = ada.post(reverse("deployments:service-snippets", args=["diabetes-v1"]))
    assert "Bearer eyJ" in answer.content.decode()
