"""Who may use MLflow through the studio: a token, or a signed-in browser from our own pages."""

from typing import Any

import pytest

from tests.proxy.conftest import Web
from workspaces.tokens import token_revoke

SEARCH = "/mlflow/api/2.0/mlflow/experiments/search"
CREATE = "/mlflow/ajax-api/2.0/mlflow/experiments/create"


def test_without_credentials_it_is_401_in_mlflows_shape(web: Web) -> None:
    answer = web.ask(SEARCH, params={"max_results": 1})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_a_person_without_a_session_is_sent_to_sign_in(web: Web) -> None:
    answer = web.ask("/mlflow/", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/login/?next=/mlflow/"


def test_a_token_opens(web: Web, bearer: dict[str, str]) -> None:
    answer = web.ask(SEARCH + "?max_results=5", headers=bearer)
    assert answer.status_code == 200
    assert "experiments" in answer.json()


def test_a_token_as_basic_password_opens(web: Web, token: str) -> None:
    assert web.ask(SEARCH + "?max_results=5", auth=("anybody", token)).status_code == 200


@pytest.mark.parametrize("value", ["Bearer ", "Bearer slw_wrong", "Basic !!!", "Digest x", "x"])
def test_wrong_credentials_are_401_even_beside_a_good_session(
    web: Web, cookie: dict[str, str], value: str
) -> None:
    answer = web.ask(SEARCH, headers={**cookie, "Authorization": value})
    assert answer.status_code == 401


def test_a_revoked_token_stops_at_once(web: Web, ada: Any, bearer: dict[str, str]) -> None:
    assert web.ask("/mlflow/version", headers=bearer).status_code == 200
    token_revoke(user=ada, token_id=ada.apitoken_set.get().pk)
    assert web.ask("/mlflow/version", headers=bearer).status_code == 401


def test_a_deactivated_users_token_and_session_stop_at_once(
    web: Web, ada: Any, bearer: dict[str, str], cookie: dict[str, str]
) -> None:
    ada.is_active = False
    ada.save()
    assert web.ask("/mlflow/version", headers=bearer).status_code == 401
    assert web.ask("/mlflow/version", headers=cookie).status_code == 401


def test_a_changed_password_ends_the_session(web: Web, ada: Any, cookie: dict[str, str]) -> None:
    assert web.ask("/mlflow/version", headers=cookie).status_code == 200
    ada.set_password("another-long-password-2")
    ada.save()
    assert web.ask("/mlflow/version", headers=cookie).status_code == 401


def test_the_ui_opens_for_a_signed_in_person(web: Web, cookie: dict[str, str]) -> None:
    page = web.ask("/mlflow/", headers={**cookie, "Accept": "text/html"})
    assert page.status_code == 200
    assert '<div id="root"' in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    script = page.text.split('src="')[1].split('"')[0]
    assert web.ask(f"/mlflow/{script}", headers=cookie).status_code == 200


def test_mlflow_without_a_slash_gets_one(web: Web) -> None:
    answer = web.ask("/mlflow")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/mlflow/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
def test_a_cookie_signed_write_from_elsewhere_is_403(
    web: Web, cookie: dict[str, str], headers: dict[str, str]
) -> None:
    answer = web.ask(CREATE, "POST", json={"name": "x"}, headers={**cookie, **headers})
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "PERMISSION_DENIED"


def test_a_cookie_signed_write_from_our_own_page_passes(web: Web, cookie: dict[str, str]) -> None:
    headers = {**cookie, "Origin": web.url, "Sec-Fetch-Site": "same-origin"}
    answer = web.ask(CREATE, "POST", json={"name": f"from {web.port}"}, headers=headers)
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 400:  # made by an earlier run of this test against the same server
        assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"


def test_another_sites_origin_never_gets_permission(web: Web, bearer: dict[str, str]) -> None:
    for origin in ("http://evil.example", "http://localhost:3000"):
        answer = web.ask(SEARCH + "?max_results=1", headers={**bearer, "Origin": origin})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        preflight = web.ask(
            CREATE,
            "OPTIONS",
            headers={**bearer, "Origin": origin, "Access-Control-Request-Method": "POST"},
        )
        assert preflight.status_code == 404
        assert "Access-Control-Allow-Origin" not in preflight.headers


def test_a_name_of_this_studio_other_than_localhost_works(
    web: Web, bearer: dict[str, str], cookie: dict[str, str], settings: Any
) -> None:
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "studio.example.org"]
    host = {"Host": "studio.example.org"}
    assert web.ask(SEARCH + "?max_results=1", headers={**bearer, **host}).status_code == 200
    page = web.ask("/mlflow/", headers={**cookie, **host})
    assert page.status_code == 200
    origin = {"Origin": "https://studio.example.org"}
    body = {"max_results": 1}
    search = "/mlflow/ajax-api/2.0/mlflow/experiments/search"
    answer = web.ask(search, "POST", json=body, headers={**cookie, **host, **origin})
    assert answer.status_code == 200


def test_a_name_that_is_not_ours_is_400(web: Web, bearer: dict[str, str]) -> None:
    answer = web.ask(SEARCH, headers={**bearer, "Host": "rebound.example"})
    assert answer.status_code == 400
    assert "SLIPWAY_ALLOWED_HOSTS" in answer.json()["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/mlflow/ajax-api/3.0/mlflow/assistant/message",
        "/mlflow/health/%2e%2e/ajax-api/3.0/mlflow/assistant/message",
        "/mlflow//ajax-api/3.0/jobs/1",
        "/mlflow/gateway/mlflow/v1/models",
        "/mlflow/api/2.0/mlflow/webhooks",
    ],
)
def test_forbidden_parts_are_404_for_everybody(web: Web, bearer: dict[str, str], path: str) -> None:
    for method in ("GET", "POST"):
        answer = web.ask(path, method, headers=bearer)
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"
