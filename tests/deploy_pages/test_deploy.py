"""The Deploy page: pre-filled, checked, one service for one press."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from deployments.configuring.checks import check_name
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.models import Service, Target
from deployments.pages.forms import DeployInput, number, service_name
from registry import selectors as registry
from registry.models import VersionRecord
from registry.pairs import tags_parse, tags_text
from tests.deploy_pages.html import Page
from tests.factories import RevisionFactory, ServiceFactory

URL = reverse("deployments:deploy")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def targets(db: None) -> None:
    node, now = "here", timezone.now()
    capacity = {"cpu_total": 4.0, "memory_total_mb": 8000.0, "memory_free_mb": 6000.0}
    for kind in ("local", "docker", "fake"):
        Target.objects.create(name=kind, kind=kind, node=node, checked_at=now, capacity=capacity)


def form(**changes: Any) -> dict[str, str]:
    values = {
        "model": "diabetes",
        "version": "1",
        "name": "diabetes-v1",
        "target": "fake",
        "cpu": "1",
        "memory": "1",
        "auth": "on",
        "max_concurrent": "64",
        "queue_wait": "500",
        "timeout": "60",
        "port": "",
        "description": "",
        "tags": "",
    }
    return {**values, **changes}


def test_the_page_is_filled_in(ada, model, targets) -> None:
    page = Page(ada.get(URL, {"model": "diabetes", "version": "1"}))
    assert page.one("input", id="id_name")["value"] == "diabetes-v1"
    assert page.one("input", id="id_cpu")["value"] == "1"
    assert page.one("input", id="id_memory")["value"] == "1"
    assert "checked" in page.one("input", name="auth").attributes
    assert "checked" in page.one("input", id="target-local").attributes
    assert "No code" in page.one("main").text


def test_memory_is_one_and_a_half_of_what_was_measured(ada, model, targets) -> None:
    registry.version_get("diabetes", "1")
    assert VersionRecord.objects.update(memory_mb=2048) == 1
    page = Page(ada.get(URL, {"model": "diabetes", "version": "1"}))
    assert page.one("input", id="id_memory")["value"] == "3"


def test_a_taken_name_is_made_free(ada, model, targets) -> None:
    ServiceFactory(name="diabetes-v1")
    page = Page(ada.get(URL, {"model": "diabetes", "version": "1"}))
    assert page.one("input", id="id_name")["value"] == "diabetes-v1-2"


def test_kinds_that_are_not_here_are_shown_with_what_they_need(ada, model, targets) -> None:
    cards = Page(ada.get(URL, {"model": "diabetes", "version": "1"})).all("div", class_="absent")
    assert ["Kubernetes" in card.text or "Azure" in card.text for card in cards] == [True, True]
    assert all("It would need" in card.text for card in cards)


def test_without_a_version_the_newest_is_taken(ada, model, targets) -> None:
    page = Page(ada.get(URL, {"model": "diabetes"}))
    assert page.one("input", id="id_name")["value"] == "diabetes-v1"


def test_without_a_model_it_says_where_to_find_one(ada) -> None:
    assert Page(ada.get(URL)).all("a", href=reverse("registry:models"))


def test_a_model_that_does_not_exist_is_404(ada, model, targets) -> None:
    assert ada.get(URL, {"model": "nobody", "version": "1"}).status_code == 404
    assert ada.get(URL, {"model": "diabetes", "version": "99"}).status_code == 404


def test_it_is_for_signed_in_people_and_two_methods(ada, client, db) -> None:
    assert client.get(URL)["location"].startswith(reverse("login"))
    assert ada.put(URL).status_code == 405


def test_the_port_of_another_service_is_said_at_the_port(ada, model, targets) -> None:
    wish = DeploymentConfiguration(port=20001).as_dict()
    revision = RevisionFactory(deployment=wish)
    Service.objects.update(wanted=revision)
    answer = ada.post(URL, form(target="local", port="20001"), headers=HTMX)
    assert answer.status_code == 422
    assert "20001 is the port of" in Page(answer).one("div", id="id_port_error").text


def test_deploy_makes_a_service_and_leads_to_its_page(ada, user, model, targets) -> None:
    answer = ada.post(URL, form(tags="team=health", description="Ridge"), headers=HTMX)
    assert (
        answer["HX-Redirect"] == reverse("deployments:service", args=["diabetes-v1"]) + "?watch=1"
    )
    service = Service.objects.get()
    assert (service.name, service.target.name, service.created_by) == ("diabetes-v1", "fake", user)
    assert service.tags == {"team": "health"}
    assert service.wanted.model_uri == "models:/diabetes/1"
    assert service.operations.get().kind == "deploy"


def test_deploy_works_without_scripts(ada, model, targets) -> None:
    assert ada.post(URL, form()).status_code == 302


def test_pressing_twice_makes_one_service(ada, model, targets) -> None:
    first = ada.post(URL, form(), headers=HTMX)
    second = ada.post(URL, form(), headers=HTMX)
    assert first["HX-Redirect"] == second["HX-Redirect"]
    assert Service.objects.count() == 1


def test_a_name_that_somebody_else_took_is_refused(ada, model, targets) -> None:
    ServiceFactory(name="diabetes-v1")
    answer = ada.post(URL, form(), headers=HTMX)
    assert answer.status_code == 422
    assert "exists already" in Page(answer).one("div", id="id_name_error").text
    assert Service.objects.count() == 1


def test_every_violation_is_told_at_once_and_the_input_is_kept(ada, model, targets) -> None:
    wrong = form(name="No!", cpu="0", memory="much", max_concurrent="-1", description="kept")
    answer = ada.post(URL, wrong, headers=HTMX)
    page = Page(answer)
    assert answer.status_code == 422
    assert not page.all("html")
    for control in ("name", "cpu", "memory", "max_concurrent"):
        assert page.one("div", id=f"id_{control}_error").text
        assert page.one("input", id=f"id_{control}")["value"] == wrong[control]
    message = page.one("div", id="deploy-problem").text
    for label in ("Name", "CPU", "Memory", "Concurrent requests"):
        assert label in message
    assert page.one("input", id="id_description")["value"] == "kept"
    assert Service.objects.count() == 0


def test_a_hidden_part_with_an_error_is_open(ada, model, targets) -> None:
    page = Page(ada.post(URL, form(target="local", port="70000"), headers=HTMX))
    error = page.one("div", id="id_port_error")
    assert next(parent for parent in error.parents if parent.tag == "details").has({"open": ""})


def test_a_failed_check_stops_it_on_the_server_too(ada, model, targets) -> None:
    Target.objects.filter(name="fake").update(problems=["It is on fire."])
    answer = ada.post(URL, form(), headers=HTMX)
    assert answer.status_code == 422
    assert "It is on fire." in Page(answer).one("div", id="deploy-problem").text
    assert Service.objects.count() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"target": ""},
        {"target": "\x00"},
        {"version": "99"},
        {"model": ""},
        {"cpu": "nan"},
        {"memory": "1e400"},
        {"timeout": "9" * 400},
        {"tags": "=x"},
        {"name": "a" * 5000},
    ],
)
def test_nothing_that_can_be_sent_breaks_it(ada, model, targets, changes) -> None:
    answer = ada.post(URL, form(**changes), headers=HTMX)
    assert answer.status_code == 422
    assert Service.objects.count() == 0


# --- its parts -----------------------------------------------------------------------------------
def test_preflight_lists_every_check_and_allows_the_button(ada, model, targets) -> None:
    page = Page(ada.post(reverse("deployments:deploy-preflight"), form()))
    assert len(page.all("li")) >= 5
    assert "disabled" not in page.one("button", id="deploy-button").attributes


def test_preflight_with_a_failed_check_disables_the_button(ada, model, targets) -> None:
    page = Page(ada.post(reverse("deployments:deploy-preflight"), form(name="No!")))
    assert "disabled" in page.one("button", id="deploy-button").attributes
    assert page.all("li")[0].has({"class": "tone-danger"})


def test_help_me_choose_moves_the_selection_and_says_why(ada, model, targets) -> None:
    asked = form(target="local", **{"q-purpose": "production", "q-memory": "4"})
    answer = ada.post(reverse("deployments:deploy-recommend"), asked)
    page = Page(answer)
    assert "Docker" in page.one("li", class_="best").text
    assert "checked" in page.one("input", id="target-docker").attributes
    assert "checked" not in page.one("input", id="target-local").attributes
    assert page.one("input", id="id_memory")["value"] == "6"
    assert "deploy-changed" in answer["HX-Trigger-After-Settle"]


def test_an_answer_that_cannot_be_used_is_told(ada, model, targets) -> None:
    asked = form(**{"q-requests_per_second": "many", "q-mode": "sometimes"})
    answer = ada.post(reverse("deployments:deploy-recommend"), asked)
    assert answer.status_code == 422
    assert "requests_per_second" in Page(answer).one("div", role="alert").text


def test_a_target_card_shows_what_was_found_lately(ada, targets) -> None:
    address = reverse("deployments:deploy-target", args=["fake"])
    page = Page(ada.get(address))
    assert "Ready" in page.one("span", class_="pill").text
    assert ada.get(reverse("deployments:deploy-target", args=["nobody"])).status_code == 404


@pytest.mark.parametrize("part", ["deploy-preflight", "deploy-recommend"])
def test_the_parts_are_posts_of_signed_in_people(ada, client, db, part) -> None:
    assert ada.get(reverse(f"deployments:{part}")).status_code == 405
    assert client.post(reverse(f"deployments:{part}")).status_code == 302


# --- names, numbers, tags ------------------------------------------------------------------------
@given(st.text(max_size=80), st.text(max_size=10))
def test_the_name_made_of_a_model_can_always_be_used(model: str, version: str) -> None:
    assert check_name(service_name(model, version)) == []


@given(st.text())
def test_a_number_is_finite_or_stays_text(text: str) -> None:
    value = number(text)
    assert value is None or isinstance(value, str) or abs(value) < 1e15


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,5}\Z"), st.from_regex(r"\A[a-z0-9]{0,5}\Z")))
def test_tags_are_read_as_they_are_written(tags: dict[str, str]) -> None:
    assert tags_parse(tags_text(tags)) == tags


def test_seconds_become_milliseconds() -> None:
    raw = DeployInput(model="m", timeout="1.5").deployment()
    assert raw["scoringTimeoutMs"] == 1500
