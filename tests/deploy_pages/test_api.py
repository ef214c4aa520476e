"""The API of services, operations and targets."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.configuring.configuration import validate
from deployments.models import Operation, Revision, Service

BASE = "/api/v1"
NO_ID = "00000000-0000-4000-8000-000000000000"  # well formed, and nobody has it
FIELDS = {
    "name", "description", "tags", "properties", "target", "kind", "model", "revision", "desired",
    "state", "reason", "message", "scoring_uri", "swagger_uri", "deployment", "inference",
    "loader", "loader_reason", "batching", "created_by", "created_at", "updated_at", "operation",
}  # fmt: skip


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(BASE + path, body if body is not None else {}, "application/json")


def wish(**changes: Any) -> dict[str, Any]:
    values = {"name": "diabetes-v1", "model": "models:/diabetes/1", "target": "fake"}
    return {**values, **changes}


def test_a_service_has_the_fields_of_the_contract(ada, service) -> None:
    body = ada.get(f"{BASE}/services/diabetes-v1").json()
    assert set(body) == FIELDS
    assert body["model"] == "models:/diabetes/1"
    assert body["scoring_uri"] == "http://testserver:8001/api/v1/service/diabetes-v1/score"
    assert body["kind"] == "fake"


def test_deploying_answers_202_with_service_and_operation(ada, user, model, fake) -> None:
    answer = post(ada, "/services", wish(deployment={"authEnabled": False}, tags={"a": "b"}))
    body = answer.json()
    assert answer.status_code == 202
    assert body["service"]["state"] == "Transitioning"
    assert body["service"]["operation"] == body["operation"]["id"]
    assert body["operation"]["requested_by"] == "ada"
    assert next(step["name"] for step in body["operation"]["steps"]) == "Queued"
    assert Service.objects.get().wanted.deployment["auth_enabled"] is False
    assert body["service"]["deployment"]["authEnabled"] is False


def test_all_violations_come_in_one_answer(ada, model, fake) -> None:
    wrong = wish(name="No", target="nowhere", model="diabetes",
                 deployment={"containerResourceRequirements": {"cpu": 0}})  # fmt: skip
    answer = post(ada, "/services", wrong)
    assert answer.status_code == 400
    assert {"name", "target", "model"} <= set(answer.json()["fields"])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 5},
        {"name": None},
        {"model": {"a": 1}},
        {"model": "models:/nobody/1"},
        {"target": []},
        {"target": "\x00"},
        {"deployment": []},
        {"deployment": {"port": "\x00"}},
        {"deployment": {"containerResourceRequirements": {"cpu": 1e300, "memoryInGB": 10**400}}},
        {"deployment": {"tags": {"a": "\x00"}}},
        {"inference": "x"},
        {"tags": "x"},
        {"description": "\x00"},
        {"name": "a\x00b"},
    ],
)
def test_wrong_input_is_never_a_5xx(ada, model, fake, changes) -> None:
    answer = post(ada, "/services", wish(**changes))
    assert 400 <= answer.status_code < 500, answer.content
    assert answer.json()["message"]
    assert Service.objects.count() == 0


def test_the_configuration_of_the_answer_can_be_sent_back(ada, model, service) -> None:
    given = ada.get(f"{BASE}/services/diabetes-v1").json()["deployment"]
    answer = ada.patch(
        f"{BASE}/services/diabetes-v1",
        {"deployment": {**given, "workers": 2}},
        content_type="application/json",
    )
    assert answer.status_code == 202, answer.content
    assert answer.json()["service"]["deployment"] == {**given, "workers": 2}


def test_a_service_says_how_it_is_loaded_and_why_it_batches(ada, service) -> None:
    service.revisions.update(
        loader="fast", loader_reason="native", row_wise=True, row_wise_reason="64 rows were equal"
    )
    body = ada.get(f"{BASE}/services/diabetes-v1").json()
    assert (body["loader"], body["loader_reason"]) == ("fast", "native")
    assert body["batching"] == {"on": True, "row_wise": True, "reason": "64 rows were equal"}


def test_a_token_says_when_it_ends(ada, service) -> None:
    assert post(ada, "/services/diabetes-v1/token").status_code == 409
    Revision.objects.update(deployment=validate("fake", {"tokenAuthEnabled": True}).as_dict())
    answer = post(ada, "/services/diabetes-v1/token")
    assert set(answer.json()) == {"access_token", "token_type", "expires_at", "refresh_after"}
    assert answer.json()["token_type"] == "Bearer"
    assert "no-store" in answer["cache-control"]
    assert post(ada, "/services/nobody/token").status_code == 404


def test_a_taken_name_is_409(ada, model, service) -> None:
    assert post(ada, "/services", wish()).status_code == 409


def test_services_are_listed_page_by_page(ada, many) -> None:
    many(5)
    names: list[str] = []
    token = ""
    while True:
        body = ada.get(f"{BASE}/services", {"limit": "2", "page_token": token}).json()
        names += [item["name"] for item in body["items"]]
        token = body["next_page_token"]
        if not token:
            break
    assert names == [f"n-{number:03d}" for number in range(5)]


def test_operations_of_all_services_are_for_administrators(ada, admin, moving, failed) -> None:
    refused = ada.get(f"{BASE}/operations")
    assert refused.status_code == 403
    assert "name a service" in refused.json()["message"]
    assert len(admin.get(f"{BASE}/operations").json()["items"]) == 2
    [own] = ada.get(f"{BASE}/operations", {"service": "on-its-way"}).json()["items"]
    assert own["service"] == "on-its-way"


def test_operations_are_listed_page_by_page(admin, many) -> None:
    many(5)
    first = admin.get(f"{BASE}/operations", {"limit": "3"}).json()
    rest = admin.get(
        f"{BASE}/operations", {"limit": "3", "page_token": first["next_page_token"]}
    ).json()
    assert len(first["items"]) == 3
    assert len(rest["items"]) == 2
    assert rest["next_page_token"] == ""


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "²"},
        {"limit": "9" * 5000},
        {"page_token": "%%%"},
        {"page_token": "é"},
        {"page_token": "AA"},
        {"state": "Sad"},
        {"status": "Sad"},
        {"kind": "dance"},
    ],
)
@pytest.mark.parametrize("path", ["services", "operations"])
def test_a_wrong_query_is_refused_or_ignored(admin, path, query) -> None:
    answer = admin.get(f"{BASE}/{path}", query)
    known = {"services": {"limit", "page_token", "state"},
             "operations": {"limit", "page_token", "status", "kind"}}[path]  # fmt: skip
    assert answer.status_code == (400 if set(query) <= known else 200)


@pytest.mark.parametrize("path", ["services", "operations"])
def test_the_number_of_queries_does_not_grow(
    admin, many, path, django_assert_max_num_queries
) -> None:
    many(1)
    with django_assert_max_num_queries(8) as first:
        admin.get(f"{BASE}/{path}")
    many(39)
    with django_assert_max_num_queries(8) as second:
        assert len(admin.get(f"{BASE}/{path}").json()["items"]) == 40
    assert len(first) == len(second)


@pytest.mark.parametrize(("verb", "desired"), [("stop", "stopped"), ("restart", "running")])
def test_verbs_answer_202(ada, service, verb, desired) -> None:
    answer = post(ada, f"/services/diabetes-v1/{verb}")
    assert answer.status_code == 202
    assert answer.json()["service"]["desired"] == desired
    assert answer.json()["operation"]["kind"] == verb


def test_a_second_change_while_an_operation_is_open_is_409(ada, moving) -> None:
    assert post(ada, "/services/on-its-way/restart").status_code == 409


def test_stopping_is_always_accepted(ada, moving) -> None:
    assert post(ada, "/services/on-its-way/stop").status_code == 202


def test_delete_is_202_and_204_when_absent(ada, service) -> None:
    answer = ada.delete(f"{BASE}/services/diabetes-v1")
    assert answer.status_code == 202
    assert answer.json()["operation"]["kind"] == "delete"
    assert ada.delete(f"{BASE}/services/nobody").status_code == 204


def test_patch_changes_words_without_an_operation(ada, service) -> None:
    answer = ada.patch(f"{BASE}/services/diabetes-v1", {"description": "New"}, "application/json")
    assert answer.status_code == 200
    assert answer.json()["operation"] is None
    assert answer.json()["service"]["description"] == "New"


def test_patch_of_words_in_the_deployment_changes_the_service_alone(ada, service) -> None:
    words = {"tags": {"a": "b,c"}, "properties": {"owner": "ada"}, "description": "New"}
    answer = ada.patch(f"{BASE}/services/diabetes-v1", {"deployment": words}, "application/json")
    assert answer.status_code == 200, answer.content
    found = answer.json()["service"]
    assert {key: found[key] for key in words} == words
    assert {key: found["deployment"][key] for key in words} == words
    assert found["revision"] == 1
    page = ada.get(reverse("deployments:service", args=["diabetes-v1"])).content.decode()
    assert "owner: ada" in page


def test_words_beside_other_values_come_with_the_revision(ada, service, model) -> None:
    change = {"deployment": {"workers": 2, "tags": {"a": "b"}}, "description": "New"}
    answer = ada.patch(f"{BASE}/services/diabetes-v1", change, "application/json")
    found = answer.json()["service"]
    assert (answer.status_code, found["revision"]) == (202, 2)
    assert (found["tags"], found["description"]) == ({"a": "b"}, "New")


def test_names_that_are_not_known_are_refused_by_name(ada, service, model) -> None:
    address = f"{BASE}/services"
    change = {"decription": "x", "propertys": {}}
    for answer in (
        ada.patch(f"{address}/diabetes-v1", {**change, "description": "y"}, "application/json"),
        post(ada, "/services", {**wish(), **change}),
    ):
        assert answer.status_code == 400
        assert set(answer.json()["fields"]) == set(change)
    service.refresh_from_db()
    assert service.description != "y"


def test_patch_with_nothing_is_refused(ada, service) -> None:
    answer = ada.patch(f"{BASE}/services/diabetes-v1", {}, "application/json")
    assert answer.status_code == 400


def test_patch_of_the_deployment_makes_a_revision(ada, service, model) -> None:
    answer = ada.patch(
        f"{BASE}/services/diabetes-v1",
        {"deployment": {"containerResourceRequirements": {"cpu": 2}}},
        "application/json",
    )
    assert answer.status_code == 202
    assert answer.json()["service"]["revision"] == 2


def test_keys_are_shown_and_replaced(ada, service) -> None:
    shown = ada.get(f"{BASE}/services/diabetes-v1/keys")
    assert "no-store" in shown["cache-control"]
    fresh = post(ada, "/services/diabetes-v1/keys/regenerate", {"key": "secondary"}).json()
    assert fresh["primary"] == shown.json()["primary"]
    assert fresh["secondary"] != shown.json()["secondary"]
    wrong = post(ada, "/services/diabetes-v1/keys/regenerate", {"key": "studio"})
    assert wrong.status_code == 400
    assert "key" in wrong.json()["fields"]


def test_logs_are_read_by_offset(ada, moving) -> None:
    for path in ("/services/on-its-way/logs", f"/operations/{moving.pk}/log"):
        assert set(ada.get(BASE + path).json()) == {"text", "next_offset", "complete"}
        assert ada.get(BASE + path, {"offset": "-1"}).status_code == 400


def test_cancel_and_retry(ada, moving, failed) -> None:
    assert post(ada, f"/operations/{moving.pk}/cancel").status_code == 202
    assert post(ada, f"/operations/{failed.pk}/cancel").status_code == 409
    assert post(ada, f"/operations/{failed.pk}/retry").status_code == 202
    assert Operation.objects.filter(service_name="broken").count() == 2


def test_targets_and_checking_one(ada, fake) -> None:
    [target] = ada.get(f"{BASE}/targets").json()["items"]
    assert target["name"] == "fake"
    assert ada.get(f"{BASE}/targets/fake").json()["ready"] is True
    assert post(ada, "/targets/fake/check").status_code == 200


def test_recommend_ranks_and_fills_in(ada, fake) -> None:
    items = post(ada, "/targets/recommend", {"requests_per_second": 100, "milliseconds": 50,
                                             "memory": 2}).json()["items"]  # fmt: skip
    assert [item["rank"] for item in items] == list(range(1, len(items) + 1))
    assert items[0]["replicas"] == 8
    assert items[0]["deployment"]["containerResourceRequirements"]["memoryInGB"] == 3
    for wrong in ({"mode": "x"}, {"requests_per_second": -1}, {"model": "x"}, {"memory": "NaN"}):
        assert post(ada, "/targets/recommend", wrong).status_code == 400


def test_preflight_answers_checks(ada, model, fake) -> None:
    items = post(ada, "/preflight", wish()).json()["items"]
    assert {item["result"] for item in items} <= {"passed", "warning", "failed"}
    assert post(ada, "/preflight", {}).status_code == 400
    for wrong in ({"model": 5}, {"target": {}}, {"name": []}, {"inference": 3}):
        assert post(ada, "/preflight", wish(**wrong)).status_code in {200, 400}


@pytest.mark.parametrize(
    "path",
    [
        "/services/nobody", "/services/nobody/keys", "/services/nobody/logs", "/targets/nobody",
        "/services/%00", "/targets/%00", f"/operations/{NO_ID}", "/operations/x",
        f"/operations/{NO_ID}/log",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_404(ada, db, path) -> None:
    answer = ada.get(BASE + path)
    assert answer.status_code in {404, 400}
    assert answer.json()["message"]


@pytest.mark.parametrize("path", ["/services", "/operations", "/targets", "/services/x/keys"])
def test_without_a_token_it_is_401(client, db, path) -> None:
    answer = client.get(BASE + path)
    assert answer.status_code == 401
    assert answer["www-authenticate"]


def test_a_wrong_method_is_405(ada, service) -> None:
    assert ada.get(f"{BASE}/services/diabetes-v1/stop").status_code == 405
    assert ada.delete(f"{BASE}/targets").status_code == 405
