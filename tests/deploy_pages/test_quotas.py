"""Admin > Quotas, its side panel, the API, and where other pages tell of a quota."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.models import Quota, Service, Target
from tests.deploy_pages.html import Page
from tests.factories import TargetFactory
from workspaces.models import Event

URL = reverse("deployments:quotas")
API = "/api/v1/quotas"
NO_LIMIT: dict[str, Any] = {"services": None, "cpu": None, "memory_mb": None}
HTMX = {"HX-Request": "true"}


def panel(name: str = "fake") -> str:
    return reverse("deployments:quota", args=[name])


def limit(**values: Any) -> None:
    Quota.objects.update_or_create(target=Target.objects.get(name="fake"), defaults=values)


def put(client: Client, body: Any, name: str = "fake") -> Any:
    return client.put(f"{API}/{name}", body, "application/json")


def row(page: Page, name: str = "fake") -> str:
    (found,) = [item.text for item in page.all("tr") if item.text.startswith(name)]
    return found


def test_without_limits_the_page_explains_itself(admin, service) -> None:
    page = Page(admin.get(URL))
    assert "No limit is set." in page.one("main").text
    assert row(page).count("no limit") == 3
    assert page.all("div", class_="meter") == []


def test_a_row_shows_what_is_used_of_what_is_allowed(admin, service) -> None:
    limit(services=4, cpu=2.5, memory_mb=4096)
    page = Page(admin.get(URL))
    for text in ("1 of 4", "1 of 2.5", "1 GB of 4 GB"):
        assert text in row(page)
    labels = [item["aria-label"] for item in page.all("div", class_="meter")]
    assert labels == [f"{name} of the quota" for name in
                      ("Services: 25 %", "CPU: 40 %", "Memory: 25 %")]  # fmt: skip
    assert "No limit is set." not in page.one("main").text


def test_a_full_quota_and_one_below_what_is_used_say_so(admin, service) -> None:
    limit(services=1, cpu=0.5)
    text = row(Page(admin.get(URL)))
    assert text.count("Full: new asks are refused.") == 1
    assert text.count("Nothing is stopped; new asks are refused.") == 1


def test_the_page_lists_targets_that_make_themselves(admin) -> None:
    text = Page(admin.get(URL)).one("table").text
    assert "local" in text
    assert "docker" in text


def test_administrators_alone_see_it_in_the_navigation(admin, ada, service) -> None:
    assert Page(admin.get("/targets/")).all("a", href=URL)
    assert not Page(ada.get("/targets/")).all("a", href=URL)


def test_others_are_refused(ada, client, service) -> None:
    for address in (URL, panel()):
        assert ada.get(address).status_code == 403
        assert client.get(address).status_code == 302
    assert ada.post(panel(), {"services": "1"}).status_code == 403
    assert client.post(panel(), {"services": "1"}).status_code == 302
    assert not Quota.objects.exists()


def test_wrong_names_and_methods(admin, service) -> None:
    assert admin.post(URL).status_code == 405
    assert admin.get(panel("nobody")).status_code == 404
    assert admin.post(panel("nobody"), {}).status_code == 404
    assert admin.put(panel()).status_code == 405


def test_the_panel_shows_the_limits_and_keeps_new_ones(admin, service) -> None:
    limit(services=3, memory_mb=1536)
    page = Page(admin.get(panel()))
    values = {name: page.one("input", name=name)["value"] for name in ("services", "cpu", "memory")}
    assert values == {"services": "3", "cpu": "", "memory": "1.5"}
    answer = admin.post(panel(), {"services": "", "cpu": "2,5", "memory": "0.5"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, URL)
    kept = Quota.objects.get()
    assert (kept.services, kept.cpu, kept.memory_mb) == (None, 2.5, 512)
    assert Event.objects.get(kind="quota.changed").actor.username == "root"


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e300", "many", "1" * 400, "1_0 cores"])
@pytest.mark.parametrize("name", ["services", "cpu", "memory"])
def test_what_cannot_be_used_comes_back_with_its_sentence(admin, service, name, text) -> None:
    answer = admin.post(panel(), {name: text}, headers=HTMX)
    page = Page(answer)
    assert answer.status_code == 422
    assert page.one("input", name=name)["value"] == text
    assert "must be" in page.one("div", id=f"id_{name}_error").text
    assert len(page.all("div", class_="error")) == 1
    assert not Quota.objects.exists()


def test_a_target_tells_everybody_its_quota(ada, service) -> None:
    address = reverse("deployments:target", args=["fake"])
    assert "1 of 4" not in Page(ada.get(address)).one("main").text
    limit(services=4)
    page = Page(ada.get(address))
    assert "1 of 4" in page.one("main").text
    assert not page.all("a", href=URL)


def test_the_number_of_queries_does_not_grow(admin, many, django_assert_max_num_queries) -> None:
    many(1)
    limit(services=100)
    with django_assert_max_num_queries(8) as first:
        admin.get(URL)
    many(30)
    for number in range(20):
        TargetFactory(name=f"more-{number}", kind="fake")
    with django_assert_max_num_queries(8) as second:
        admin.get(URL)
    assert len(first) == len(second)
    with django_assert_max_num_queries(8):
        admin.get(API)


def test_everybody_reads_limits_and_use(ada, client, service) -> None:
    limit(services=4, cpu=2.5)
    (item,) = ada.get(API).json()["items"]
    assert item == {
        "target": "fake",
        "kind": "fake",
        "limits": {"services": 4, "cpu": 2.5, "memory_mb": None},
        "used": {"services": 1, "cpu": 1.0, "memory_mb": 1024},
    }
    assert client.get(API).status_code == 401


def test_administrators_alone_set_them(admin, ada, client, service) -> None:
    body = {"services": 3, "cpu": 1.5, "memory_mb": 0}
    assert put(client, body).status_code == 401
    refused = put(ada, body)
    assert refused.status_code == 403
    assert "Only administrators" in refused.json()["message"]
    assert not Quota.objects.exists()
    answer = put(admin, body)
    assert (answer.status_code, answer.json()["limits"]) == (200, body)
    assert put(admin, NO_LIMIT).json()["limits"] == NO_LIMIT
    assert put(admin, body, "nobody").status_code == 404
    assert put(ada, body, "nobody").status_code == 403


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({**NO_LIMIT, "services": -1, "cpu": "two", "memory_mb": 10**30}, set(NO_LIMIT)),
        ({**NO_LIMIT, "memory": 1}, {"memory"}),
        ({"services": 1}, {"cpu", "memory_mb"}),
        ({**NO_LIMIT, "cpu": True}, {"cpu"}),
        ([], set()),
        ("3", set()),
    ],
)
def test_wrong_bodies_are_named(admin, service, body, fields) -> None:
    answer = put(admin, body)
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == fields


def test_no_number_is_no_limit(admin, service) -> None:
    body = '{"services": null, "cpu": NaN, "memory_mb": null}'
    answer = admin.put(f"{API}/fake", body, "application/json")
    assert answer.status_code == 400
    assert not Quota.objects.exists()


def test_deploying_and_starting_answer_409(ada, model, service) -> None:
    limit(services=1)
    wish = {"name": "second", "model": "models:/diabetes/1", "target": "fake"}
    answer = ada.post("/api/v1/services", wish, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota")
    assert "Target fake allows 1 service" in answer.json()["fields"]["target"][0]
    Service.objects.update(desired="stopped", state="Stopped")
    limit(services=0)
    answer = ada.post("/api/v1/services/diabetes-v1/start")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota")


def test_preflight_by_api_finds_it(ada, model, service) -> None:
    limit(cpu=1)
    wish = {"model": "models:/diabetes/1", "target": "fake"}
    items = ada.post("/api/v1/preflight", wish, "application/json").json()["items"]
    (found,) = [item for item in items if item["name"] == "quota"]
    assert found["result"] == "failed"
    assert "allows 1 CPU" in found["sentence"]
    assert "Stop a service" in found["next_step"]


def deploy_form(**changes: str) -> dict[str, str]:
    values = {"model": "diabetes", "version": "1", "name": "second", "target": "fake", "cpu": "1",
              "memory": "1", "auth": "on", "max_concurrent": "64", "queue_wait": "500",
              "timeout": "60"}  # fmt: skip
    return {**values, **changes}


def test_the_deploy_page_shows_it_and_deploys_nothing(ada, model, service) -> None:
    limit(memory_mb=1536)
    page = Page(ada.post(reverse("deployments:deploy-preflight"), deploy_form()))
    (check,) = [item.text for item in page.all("li") if "1536 MB" in item.text]
    assert check.startswith("Failed:")
    assert "ask an administrator to raise it" in check
    assert "disabled" in page.one("button", id="deploy-button").attributes
    answer = ada.post(reverse("deployments:deploy"), deploy_form())
    assert answer.status_code == 422
    assert "allows 1536 MB of memory" in answer.content.decode()
    assert Service.objects.count() == 1
    fits = deploy_form(memory="0.5")
    page = Page(ada.post(reverse("deployments:deploy-preflight"), fits))
    assert "disabled" not in page.one("button", id="deploy-button").attributes


def test_help_me_choose_does_not_recommend_a_full_target(ada, service) -> None:
    limit(services=1)
    items = ada.post("/api/v1/targets/recommend", {}, "application/json").json()["items"]
    (found,) = [item for item in items if item["target"] == "fake"]
    assert found["fits"] is False
    reasons = found["reasons_against"]
    assert "Target fake allows 1 service; the others are 1 already." in reasons


def test_the_settings_tab_refuses_what_has_no_room(ada, model, service) -> None:
    limit(cpu=1)
    address = "/api/v1/services/diabetes-v1"
    body = {"deployment": {"containerResourceRequirements": {"cpu": 2}}}
    answer = ada.patch(address, body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota")
    assert "containerResourceRequirements.cpu" in answer.json()["fields"]
