"""The frame of the API: refusals, documents, health, tokens."""

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from rest_framework.exceptions import ErrorDetail, ValidationError

from deployments.models import Heartbeat
from studio.api.errors import exception_handler, field_sentences
from workspaces.errors import Conflict, Invalid
from workspaces.tokens import token_create


@pytest.fixture
def ada(db: None, django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("ada", password="a-long-password-1")


@pytest.fixture
def bearer(ada: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_create(user=ada, name='laptop')[1]}"}


def test_without_a_token_it_is_401_with_a_challenge(client: Any, db: None) -> None:
    answer = client.get("/api/v1/tokens")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "not_authenticated"
    assert set(answer.json()) == {"code", "message", "fields"}


@pytest.mark.parametrize("value", ["Bearer x", "Bearer ", "bearer slw_x", "Bearer é"])
def test_a_wrong_token_is_401(client: Any, db: None, value: str) -> None:
    answer = client.get("/api/v1/tokens", headers={"Authorization": value})
    assert answer.status_code == 401


def test_tokens_can_be_made_listed_and_revoked(client: Any, bearer: dict[str, str]) -> None:
    url = "/api/v1/tokens"
    made = client.post(url, {"name": "ci"}, content_type="application/json", headers=bearer)
    assert made.status_code == 201
    own = {"Authorization": f"Bearer {made.json()['token']}"}
    listed = client.get(url, headers=own).json()["items"]
    assert [row["name"] for row in listed] == ["ci", "laptop"]
    assert "token" not in listed[0]
    assert client.delete(f"{url}/{made.json()['id']}", headers=bearer).status_code == 204
    assert client.get(url, headers=own).status_code == 401
    gone = client.delete(f"{url}/{made.json()['id']}", headers=bearer)
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", ["{", "[]", '"x"', "{}", '{"name": ""}', '{"name": [1]}', "null"])
def test_a_wrong_body_is_400_in_our_shape(client: Any, bearer: dict[str, str], body: str) -> None:
    answer = client.post("/api/v1/tokens", body, content_type="application/json", headers=bearer)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert set(answer.json()) == {"code", "message", "fields"}


def test_a_session_needs_its_csrf_token(ada: Any) -> None:
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    answer = browser.post("/api/v1/tokens", {"name": "x"}, content_type="application/json")
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("method", ["get", "post", "delete", "patch"])
def test_an_address_that_is_not_there_is_json(client: Any, db: None, method: str) -> None:
    answer = getattr(client, method)("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_a_method_that_is_not_offered_is_405(client: Any, bearer: dict[str, str]) -> None:
    answer = client.put("/api/v1/tokens", headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_a_problem_keeps_its_code_status_and_fields() -> None:
    answer = exception_handler(Conflict("Taken.", fields={"name": ["Taken."]}), {})
    assert answer is not None
    assert answer.status_code == 409
    assert answer.data == {"code": "conflict", "message": "Taken.", "fields": {"name": ["Taken."]}}
    assert exception_handler(Invalid("x"), {}).status_code == 400
    assert exception_handler(ValueError("a bug"), {}) is None


def test_nested_violations_get_paths() -> None:
    detail = ValidationError(
        {"deployment": {"cpu": ["too small"], "tags": {"0": ["bad"]}}, "list": [{}, {"a": ["b"]}]}
    ).detail
    assert field_sentences(detail) == {
        "deployment.cpu": ["too small"],
        "deployment.tags.0": ["bad"],
        "list.1.a": ["b"],
    }
    assert field_sentences([ErrorDetail("x")]) == {"": ["x"]}


def test_health_needs_no_token_and_says_what_is_missing(client: Any, db: None) -> None:
    answer = client.get("/api/v1/health")
    assert answer.status_code == 200
    body = answer.json()
    checks = {check["name"]: check for check in body["checks"]}
    assert body["status"] == "degraded"
    assert checks["database"]["ok"]
    assert checks["disk"]["ok"]
    assert not checks["control"]["ok"]
    assert "/" not in " ".join(check["message"] for check in body["checks"])


def test_health_sees_the_workers_of_this_node(client: Any, db: None, settings: Any) -> None:
    from django.utils import timezone

    for kind in ("control", "steps"):
        Heartbeat.objects.create(
            name=f"{kind}@x", kind=kind, node=settings.DATA.node_id, at=timezone.now()
        )
    Heartbeat.objects.create(name="beat@y", kind="beat", node="other", at=timezone.now())
    checks = {one["name"]: one["ok"] for one in client.get("/api/v1/health").json()["checks"]}
    assert (checks["control"], checks["steps"], checks["beat"]) == (True, True, False)


def test_health_without_a_database_is_503(
    client: Any, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def away(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", away)
        answer = client.get("/api/v1/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failed"


def test_the_documents_are_there_for_signed_in_people(ada: Any, client: Any) -> None:
    assert client.get("/api/schema/").status_code == 401
    assert client.get("/api/docs/").status_code == 302
    client.force_login(ada)
    schema = client.get("/api/schema/?format=json").json()
    assert "/api/v1/tokens" in schema["paths"]
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    page = client.get(reverse("api:docs"))
    assert "<script>" not in page.content.decode()
    script = page.content.decode().split('<script src="')[3].split('"')[0].replace("&amp;", "&")
    answer = client.get(script)
    assert answer.headers["Content-Type"].startswith("application/javascript")
    assert "/api/schema/" in answer.content.decode()
