"""The service page: tabs, live state, steps, keys, verbs."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from deployments.logs import oplog
from deployments.models import Operation, Service
from registry.pairs import tags_text
from tests.deploy_pages.html import Page
from workspaces.models import Event

TABS = ("overview", "test", "consume", "logs", "settings")


def url(name: str = "diabetes-v1", view: str = "service", *more: str) -> str:
    return reverse(f"deployments:{view}", args=[name, *more])


def test_the_overview_shows_what_a_client_needs(ada, service) -> None:
    page = Page(ada.get(url()))
    text = page.one("main").text
    for expected in (
        "http://testserver:8001/api/v1/service/diabetes-v1/score",
        "http://testserver:8001/api/v1/service/diabetes-v1/swagger.json",
        "diabetes, version 1",
        "1 CPU, 1.0 GB of memory",
        "64 at once",
    ):
        assert expected in text
    assert page.one("span", id="service-state").text == "Healthy"


def test_keys_are_not_in_the_page(ada, service) -> None:
    from deployments.access.keys import plain_key

    body = ada.get(url()).content.decode()
    assert plain_key(service, "primary") not in body
    assert Event.objects.filter(kind="service.keys_shown").count() == 0


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_has_an_address(ada, service, model, tab) -> None:
    page = Page(ada.get(url("diabetes-v1", "service-tab", tab)))
    current = [item for item in page.all("a", aria_current="page") if item["href"].count("v1")]
    assert [item.text.lower() for item in current] == [tab]


def test_a_tab_that_does_not_exist_is_404(ada, service) -> None:
    assert ada.get(url("diabetes-v1", "service-tab", "metrics")).status_code == 404


def test_a_service_that_does_not_exist_is_404(ada) -> None:
    assert ada.get(url("nobody")).status_code == 404


def test_an_anonymous_person_is_sent_to_sign_in(client, service) -> None:
    assert client.get(url())["location"].startswith(reverse("login"))


def test_the_overview_is_not_for_posting(ada, service) -> None:
    assert ada.post(url()).status_code == 405


def test_a_page_of_a_model_that_vanished_still_opens(ada, service, model) -> None:
    revision = service.wanted
    revision.model_name = "gone"
    revision.save()
    for tab in TABS:
        assert ada.get(url("diabetes-v1", "service-tab", tab)).status_code == 200


# --- while it is being deployed ------------------------------------------------------------------
def test_a_deploy_under_way_shows_its_steps_and_polls(ada, moving) -> None:
    page = Page(ada.get(url("on-its-way") + "?watch=1"))
    labels = [item.text.split(" (")[0] for item in page.all("span", class_="label")]
    assert labels == [
        "Queued", "Copy model", "Prepare environment", "Start", "Health check", "Smoke test",
        "Ready",
    ]  # fmt: skip
    poll = page.one("div", id="service-poll")
    assert poll["hx-trigger"] == "every 1s"
    assert "watch=1" in poll["hx-get"]
    assert page.all("form", action=reverse("deployments:operation-cancel", args=[moving.pk]))


def test_a_final_state_is_not_polled(ada, service) -> None:
    assert not Page(ada.get(url())).all("div", id="service-poll")
    assert ada.get(url(view="service-live")).status_code == 286


def test_the_live_part_replaces_state_and_steps_but_not_the_logs(ada, moving) -> None:
    shown = {"operation": str(moving.pk), "open": "1", "every": "1"}
    answer = ada.get(url("on-its-way", "service-live"), shown)
    page = Page(answer)
    assert answer.status_code == 200
    assert page.one("span", id="service-state")["hx-swap-oob"] == "true"
    assert page.one("div", id="step-0")["hx-swap-oob"] == "true"
    assert not page.all("details")
    assert not page.all("div", id="service-poll")


def test_the_end_of_an_operation_replaces_the_steps_once(ada, failed) -> None:
    live = url("broken", "service-live")
    Service.objects.update(state="Unhealthy")
    shown = {"operation": str(failed.pk), "open": "1", "every": "1"}
    page = Page(ada.get(live, shown))
    assert page.one("div", id="operation")["hx-swap-oob"] == "true"
    poll = page.one("div", id="service-poll")
    assert poll["hx-trigger"] == "every 5s"
    again = Page(ada.get(poll["hx-get"]))
    assert not again.all("div", id="operation")
    assert not again.all("div", id="service-poll")


def test_the_end_of_a_watched_deploy_leads_to_the_test_tab(ada, moving) -> None:
    Operation.objects.update(status="Succeeded")
    Service.objects.update(state="Healthy")
    live = url("on-its-way", "service-live")
    watched = ada.get(live, {"watch": "1"}, headers={"HX-Request": "true"})
    assert watched["HX-Redirect"] == url("on-its-way", "service-tab", "test") + "?ready=1"
    assert "HX-Redirect" not in ada.get(live, headers={"HX-Request": "true"})


def test_a_failed_deploy_shows_cause_log_and_retry(ada, failed) -> None:
    page = Page(ada.get(url("broken")))
    assert "The model did not load." in page.one("div", role="alert").text
    assert "No module named 'xgboost'" in page.one("p", class_="why").text
    assert page.one("form", action=reverse("deployments:operation-retry", args=[failed.pk]))


def test_a_service_that_is_gone_sends_the_browser_to_the_list(ada) -> None:
    answer = ada.get(url("was-here", "service-live"), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == reverse("deployments:services")


# --- verbs ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("verb", "desired"), [("stop", "stopped"), ("delete", "deleted"),
                                               ("restart", "running")])  # fmt: skip
def test_a_verb_makes_one_operation(ada, service, verb, desired) -> None:
    answer = ada.post(url("diabetes-v1", f"service-{verb}"))
    # a deleted service may be gone before its page is asked for
    assert answer["location"] == (reverse("deployments:services") if verb == "delete" else url())
    service.refresh_from_db()
    assert service.desired == desired
    assert list(service.operations.values_list("kind", flat=True)) == [verb]


def test_a_verb_that_is_not_possible_says_why_and_changes_nothing(ada, service) -> None:
    answer = ada.post(url("diabetes-v1", "service-start"), follow=True)
    assert "running already" in answer.content.decode()
    assert service.operations.count() == 0


@pytest.mark.parametrize("verb", ["stop", "start", "restart", "delete"])
def test_verbs_are_posts_of_known_services_by_signed_in_people(ada, client, service, verb) -> None:
    address = url("diabetes-v1", f"service-{verb}")
    assert ada.get(address).status_code == 405
    assert ada.post(url("nobody", f"service-{verb}")).status_code == 404
    assert client.post(address)["location"].startswith(reverse("login"))
    assert service.operations.count() == 0


def test_the_confirm_question_names_the_service(ada, service) -> None:
    button = Page(ada.get(url())).one("button", data_confirm_verb="Delete")
    assert "diabetes-v1" in button["data-confirm"]


# --- keys ----------------------------------------------------------------------------------------
def test_keys_are_shown_by_post_and_never_kept(ada, service) -> None:
    answer = ada.post(url(view="service-keys"))
    assert set(answer.json()) == {"primary", "secondary"}
    assert "no-store" in answer["cache-control"]
    assert Event.objects.filter(kind="service.keys_shown").count() == 1


def test_keys_are_not_shown_by_get_nor_to_strangers(ada, client, service) -> None:
    assert ada.get(url(view="service-keys")).status_code == 405
    assert ada.post(url("nobody", "service-keys")).status_code == 404
    assert client.post(url(view="service-keys")).status_code == 302


def test_regenerating_replaces_one_key(ada, service) -> None:
    before = ada.post(url(view="service-keys")).json()
    ada.post(url(view="service-key-regenerate"), {"key": "primary"})
    after = ada.post(url(view="service-keys")).json()
    assert before["primary"] != after["primary"]
    assert before["secondary"] == after["secondary"]


def test_an_unknown_key_is_refused_in_words(ada, service) -> None:
    answer = ada.post(url(view="service-key-regenerate"), {"key": "studio"}, follow=True)
    assert "must be primary, secondary or token" in answer.content.decode()


# --- consume, logs, settings ---------------------------------------------------------------------
def test_programs_hold_the_key_only_when_asked(ada, service, model) -> None:
    key = ada.post(url(view="service-keys")).json()["primary"]
    assert key not in ada.get(url("diabetes-v1", "service-tab", "consume")).content.decode()
    answer = ada.post(url(view="service-snippets"))
    assert answer.content.decode().count(key) == 5
    assert "no-store" in answer["cache-control"]
    hidden = ada.post(url(view="service-snippets"), {"key": "hide"}).content.decode()
    assert key not in hidden
    assert "YOUR_SERVICE_KEY" in hidden


def test_the_log_is_followed_by_offset(ada, moving) -> None:
    step = moving.steps.first()
    write = oplog.writer(step)
    write("first")
    address = reverse("deployments:step-log", args=[moving.pk, 0])
    one = ada.get(address).json()
    write("ERROR second")
    two = ada.get(address, {"offset": one["next_offset"]}).json()
    assert "first" in one["text"]
    assert "second" in two["text"]
    assert "first" not in two["text"]
    assert ada.get(address, {"offset": "x"}).json()["next_offset"] >= two["next_offset"]


def test_a_log_that_does_not_exist_is_404(ada, moving) -> None:
    assert ada.get(reverse("deployments:step-log", args=[moving.pk, 99])).status_code == 404
    assert ada.get(url("nobody", "service-log")).status_code == 404


def test_the_log_of_an_operation_can_be_downloaded(ada, moving) -> None:
    oplog.writer(moving.steps.first())("hello")
    answer = ada.get(reverse("deployments:operation-log-download", args=[moving.pk]))
    assert answer["content-disposition"].startswith("attachment")
    assert b"hello" in b"".join(answer)


def test_settings_are_saved_without_a_new_revision(ada, service) -> None:
    address = url("diabetes-v1", "service-tab", "settings")
    ada.post(address, {"description": "New words", "tags": "team=health\nalone"})
    service.refresh_from_db()
    assert service.description == "New words"
    assert service.tags == {"team": "health", "alone": ""}
    assert service.revisions.count() == 1


def test_saving_the_description_leaves_every_tag_as_it_is(ada, service) -> None:
    address = url("diabetes-v1", "service-tab", "settings")
    tags = {"teams": "a,b", "k=v": "x", "lines": "one\ntwo"}
    Service.objects.update(tags=tags)
    text = tags_text(tags)
    sent = text.replace("\n", "\r\n")  # as browsers do
    ada.post(address, {"description": "New words", "tags": sent})
    service.refresh_from_db()
    assert (service.description, service.tags) == ("New words", tags)


def test_a_comma_belongs_to_the_value_of_a_tag(ada, service) -> None:
    address = url("diabetes-v1", "service-tab", "settings")
    ada.post(address, {"description": "", "tags": "teams=a,b\r\nalone"})
    service.refresh_from_db()
    assert service.tags == {"teams": "a,b", "alone": ""}


def test_wrong_tags_come_back_with_what_was_typed(ada, service) -> None:
    address = url("diabetes-v1", "service-tab", "settings")
    answer = ada.post(address, {"description": "kept", "tags": "=x"})
    assert answer.status_code == 422
    assert "kept" in answer.content.decode()
    service.refresh_from_db()
    assert service.description == "Ridge"


# --- test tab ------------------------------------------------------------------------------------
def test_the_form_holds_the_input_example(ada, service, model) -> None:
    page = Page(ada.get(url("diabetes-v1", "service-tab", "test")))
    assert page.one("input", id="column-0")["value"] == "0.25"
    assert page.one("input", id="column-1")["value"] == "Bonn"


def test_changing_to_json_keeps_what_was_typed(ada, service, model) -> None:
    typed = {"editor": "form", "to": "json", "column-0": "9.5", "column-1": "Ulm"}
    page = Page(ada.post(url(view="service-editor"), typed))
    body = json.loads(page.one("textarea").text)
    assert body["dataframe_split"]["data"] == [[9.5, "Ulm"]]
    back = Page(
        ada.post(url(view="service-editor"),
                 {"editor": "json", "to": "form", "body": json.dumps(body)})
    )  # fmt: skip
    assert back.one("input", id="column-0")["value"] == "9.5"


def test_a_field_that_cannot_be_read_is_told_and_nothing_is_sent(ada, service, model) -> None:
    answer = ada.post(url(view="service-score"), {"editor": "form", "column-0": "abc"})
    assert answer.status_code == 422
    assert answer["HX-Retarget"] == "#test-editor"
    assert Page(answer).one("input", id="column-0")["value"] == "abc"


def test_a_body_that_is_no_json_is_told(ada, service, model) -> None:
    answer = ada.post(url(view="service-score"), {"editor": "json", "body": "{"})
    assert answer.status_code == 422
    assert "not JSON" in Page(answer).one("div", id="id_body_error").text


def test_scoring_is_a_post_of_a_known_service(ada, client, service) -> None:
    assert ada.get(url(view="service-score")).status_code == 405
    assert ada.post(url("nobody", "service-score")).status_code == 404
    assert client.post(url(view="service-score")).status_code == 302
