"""Which paths of MLflow's server can be reached, and that no spelling gets round the list."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workspaces.proxy_rules import answer_headers, path_below_prefix, request_headers, route

PASSES = [
    ("GET", "/mlflow/"),
    ("HEAD", "/mlflow/"),
    ("GET", "/mlflow/health"),
    ("GET", "/mlflow/version"),
    ("GET", "/mlflow/static-files/static/js/main.js"),
    ("POST", "/mlflow/graphql"),
    ("GET", "/mlflow/get-artifact"),
    ("GET", "/mlflow/model-versions/get-artifact"),
    ("POST", "/mlflow/v1/traces"),
    ("POST", "/mlflow/api/2.0/mlflow/runs/create"),
    ("POST", "/mlflow/ajax-api/2.0/mlflow/runs/search"),
    ("PATCH", "/mlflow/api/2.0/mlflow/logged-models/m-1/tags"),
    ("DELETE", "/mlflow/api/2.0/mlflow/registered-models/delete"),
    ("GET", "/mlflow/ajax-api/3.0/mlflow/server-info"),
    ("PUT", "/mlflow/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/a b.txt"),
    ("GET", "/mlflow/api/2.0/mlflow-artifacts/artifacts/1/..hidden/x..y"),
    ("GET", "/mlflow/api/2.0/mlflow-artifacts/artifacts"),
    ("DELETE", "/mlflow/api/2.0/mlflow-artifacts/artifacts/1/abc"),
]
REFUSED = [
    ("POST", "/mlflow/ajax-api/3.0/mlflow/assistant/message"),
    ("GET", "/mlflow/ajax-api/3.0/mlflow/assistant"),
    ("POST", "/mlflow/ajax-api/3.0/jobs/"),
    ("GET", "/mlflow/ajax-api/3.0/jobs/1"),
    ("GET", "/mlflow/ajax-api/3.0/mlflow/jobs/1"),
    ("POST", "/mlflow/api/2.0/mlflow/webhooks"),
    ("POST", "/mlflow/ajax-api/2.0/mlflow/webhooks/1/test"),
    ("POST", "/mlflow/gateway/x/mlflow/invocations"),
    ("POST", "/mlflow/gateway/proxy/x/y"),
    ("GET", "/mlflow/ajax-api/2.0/mlflow/gateway-proxy"),
    ("POST", "/mlflow/ajax-api/3.0/mlflow/gateway/secrets/create"),
    ("GET", "/mlflow/api/3.0/mlflow/gateway/endpoints/list"),
    ("POST", "/mlflow/ajax-api/3.0/mlflow/scorer/invoke"),
    ("POST", "/mlflow/api/3.0/mlflow/scorers/register"),
    ("PUT", "/mlflow/api/3.0/mlflow/scorers/online-config"),
    ("POST", "/mlflow/ajax-api/3.0/mlflow/genai/evaluate/invoke"),
    ("POST", "/mlflow/ajax-api/3.0/mlflow/issues/invoke"),
    ("POST", "/mlflow/ajax-api/2.0/mlflow/runs/create-promptlab-run"),
    ("POST", "/mlflow/api/3.0/mlflow/prompt-optimization/jobs"),
    ("POST", "/mlflow/ajax-api/3.0/mlflow/ui-telemetry"),
    ("POST", "/mlflow/api/3.0/mlflow/workspaces"),
    ("GET", "/mlflow/api/2.0/mlflow/users/list"),
    ("POST", "/mlflow/ajax-api/3.0/mlflow/mcp-servers"),
    ("GET", "/mlflow/metrics"),
    ("GET", "/mlflow/build/index.html"),
    ("GET", "/mlflow/index.html"),
    ("POST", "/mlflow/"),
    ("DELETE", "/mlflow/graphql"),
    ("OPTIONS", "/mlflow/api/2.0/mlflow/runs/create"),
    ("TRACE", "/mlflow/api/2.0/mlflow/runs/create"),
    ("GET", "/mlflow/api/4.0/mlflow/traces/search"),
    ("GET", "/mlflow/api/2.0/mlflow-artifacts/other"),
]
FORBIDDEN = "ajax-api/3.0/mlflow/assistant/message"
SPELLINGS = [
    "/mlflow//" + FORBIDDEN,
    "/mlflow/./" + FORBIDDEN,
    "/mlflow/health/../" + FORBIDDEN,
    "/mlflow/health/%2e%2e/" + FORBIDDEN,
    "/mlflow/health/%2E./" + FORBIDDEN,
    "/mlflow/health%2f..%2f" + FORBIDDEN.replace("/", "%2f"),
    "/mlflow/static-files/..%2f..%2f" + FORBIDDEN,
    "/mlflow/static-files/..%5c..%5c" + FORBIDDEN,
    "/mlflow/api/2.0/mlflow/runs/..%2fassistant",
    "/mlflow/api/2.0/mlflow/runs/%2e%2e/%2e%2e/%2e%2e/3.0/mlflow/assistant/message",
    "/mlflow/" + FORBIDDEN.replace("assistant", "%61ssistant"),
    "/mlflow/" + FORBIDDEN.replace("/", "%2F"),
    "/mlflow/" + FORBIDDEN.upper(),
    "/mlflow/" + FORBIDDEN + "/",
    "/mlflow/" + FORBIDDEN + "%00",
    "/mlflow/" + FORBIDDEN + "%0a",
    "/mlflow/" + FORBIDDEN + ";x=1",
    "/%6dlflow/" + FORBIDDEN,
    "/mlflow/runs/%0d%0a" + FORBIDDEN,
    "/mlflow/%c0%ae%c0%ae/" + FORBIDDEN,
    "/mlflow/ajax-api//3.0/mlflow/assistant/message",
    "/MLFLOW/" + FORBIDDEN,
]


@pytest.mark.parametrize(("method", "path"), PASSES)
def test_what_the_ui_and_clients_need_passes(method: str, path: str) -> None:
    found = route(method, path.replace(" ", "%20").encode())
    assert found is not None
    assert unquote(found.path) == path.removeprefix("/mlflow")


@pytest.mark.parametrize(("method", "path"), REFUSED)
def test_everything_else_is_refused(method: str, path: str) -> None:
    assert route(method, path.encode()) is None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("path", SPELLINGS)
def test_no_spelling_of_a_path_gets_round_the_list(method: str, path: str) -> None:
    assert route(method, path.encode()) is None


PIECES = (
    "/ // . .. %2e %2E%2e %2f %5c %25 %00 ; ? é mlflow api ajax-api 2.0 3.0 runs assistant jobs "
    "graphql artifacts"
)
pieces = st.lists(st.sampled_from(PIECES.split()), max_size=14)


@given(pieces)
def test_what_is_sent_is_exactly_what_was_judged(parts: list[str]) -> None:
    raw = ("/mlflow/" + "".join(parts)).encode()
    found = route("POST", raw)
    if found is None:
        return
    judged = path_below_prefix(raw)
    assert unquote(found.path) == judged
    assert found.path.isascii()
    assert "assistant" not in judged.split("/")[:5]
    assert not {"", ".", ".."} & set(judged.split("/")[1:-1])


def test_a_percent_sign_in_a_file_name_stays_one() -> None:
    found = route("GET", b"/mlflow/api/2.0/mlflow-artifacts/artifacts/1/100%25.txt")
    assert found is not None
    assert found.path.endswith("/100%25.txt")


def test_credentials_origin_and_hop_headers_do_not_reach_mlflow() -> None:
    sent = request_headers(
        [
            (b"Authorization", b"Bearer x"),
            (b"Cookie", b"a=b"),
            (b"Origin", b"http://evil.example"),
            (b"Connection", b"keep-alive, X-Secret"),
            (b"X-Secret", b"1"),
            (b"X-Forwarded-For", b"6.6.6.6"),
            (b"Content-Type", b"application/json"),
        ]
    )
    assert sent == [("content-type", "application/json")]


def test_cookies_and_permissions_for_other_sites_do_not_come_back() -> None:
    back = answer_headers(
        [
            (b"Set-Cookie", b"a=b"),
            (b"Access-Control-Allow-Origin", b"*"),
            (b"access-control-allow-credentials", b"true"),
            (b"ETag", b"1"),
        ]
    )
    assert back == [(b"etag", b"1")]
