"""CORS at the gateway: set per service, answered there, never with credentials."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.serving.backends import EchoServer, GatewayProcess

PAGE = "https://page.example"


def preflight(gateway: GatewayProcess, origin: str = PAGE, **extra: str) -> requests.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
        **extra,
    }
    return requests.options(gateway.path("score"), headers=asked, timeout=10)


def routed(gateway: GatewayProcess, echo: EchoServer, **extra: Any) -> GatewayProcess:
    gateway.route(extra=extra, iris=[(echo.url, 100)])
    return gateway


def cors_headers(answer: requests.Response) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-")
    }


def test_the_preflight_of_an_allowed_page_is_answered_by_the_gateway(
    process: GatewayProcess, echo: EchoServer
) -> None:
    answer = preflight(routed(process, echo, cors_origins=[PAGE]))

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "Origin" in answer.headers["vary"]
    assert echo.seen == []


@pytest.mark.parametrize("origin", ["https://other.example", "http://page.example", "null"])
def test_the_preflight_of_another_page_is_refused(
    process: GatewayProcess, echo: EchoServer, origin: str
) -> None:
    answer = preflight(routed(process, echo, cors_origins=[PAGE]), origin)

    assert answer.status_code == 403
    assert answer.json()["code"] == "OriginNotAllowed"
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    assert echo.seen == []


@pytest.mark.parametrize(
    ("origins", "allowed"), [([PAGE], PAGE), (["*"], "*"), (["https://a.example", PAGE], PAGE)]
)
def test_answers_say_who_may_read_them(
    process: GatewayProcess, echo: EchoServer, origins: list[str], allowed: str
) -> None:
    gateway = routed(process, echo, cors_origins=origins)

    answer = requests.post(gateway.path("score"), json=[], headers={"Origin": PAGE}, timeout=10)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == allowed
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert ("Origin" in answer.headers.get("vary", "")) == (allowed != "*")


def test_credentials_are_never_allowed(process: GatewayProcess, echo: EchoServer) -> None:
    for origins in ([PAGE], ["*"], ["*", PAGE]):
        gateway = routed(process, echo, cors_origins=origins)
        scored = requests.get(gateway.path("v2/cors"), headers={"Origin": PAGE}, timeout=10)
        for answer in (preflight(gateway), scored):
            assert "access-control-allow-credentials" not in answer.headers


def test_answers_of_the_gateway_itself_can_be_read_by_the_page(
    process: GatewayProcess, echo: EchoServer
) -> None:
    gateway = routed(process, echo, cors_origins=[PAGE], max_body_bytes=10)

    answer = requests.post(
        gateway.path("score"), data=b"x" * 11, headers={"Origin": PAGE}, timeout=10
    )

    assert answer.status_code == 413
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_a_page_that_may_not_gets_an_answer_it_cannot_read(
    process: GatewayProcess, echo: EchoServer
) -> None:
    gateway = routed(process, echo, cors_origins=[PAGE])
    other = {"Origin": "https://other.example"}

    answer = requests.get(gateway.path("score"), headers=other, timeout=10)

    assert answer.status_code == 200
    assert cors_headers(answer) == {}
    assert answer.headers["vary"] == "Origin"


def test_what_the_service_says_counts_only_without_a_setting(
    process: GatewayProcess, echo: EchoServer
) -> None:
    headers = {"Origin": PAGE}
    own = requests.get(routed(process, echo).path("v2/cors"), headers=headers, timeout=10)
    assert cors_headers(own) == {
        "access-control-allow-origin": "*",
        "access-control-allow-credentials": "true",
    }
    ours = requests.get(
        routed(process, echo, cors_origins=[PAGE]).path("v2/cors"), headers=headers, timeout=10
    )
    assert cors_headers(ours)["access-control-allow-origin"] == PAGE


def test_without_a_setting_options_reach_the_service(
    process: GatewayProcess, echo: EchoServer
) -> None:
    assert preflight(routed(process, echo)).json()["method"] == "OPTIONS"


def test_options_that_are_no_preflight_reach_the_service(
    process: GatewayProcess, echo: EchoServer
) -> None:
    gateway = routed(process, echo, cors_origins=["*"])

    answer = requests.options(gateway.path("score"), headers={"Origin": PAGE}, timeout=10)

    assert answer.json()["method"] == "OPTIONS"


def test_names_of_headers_that_are_none_are_not_given_back(
    process: GatewayProcess, echo: EchoServer
) -> None:
    gateway = routed(process, echo, cors_origins=[PAGE])

    answer = preflight(gateway, **{"Access-Control-Request-Headers": "x<script>"})

    assert "access-control-allow-headers" not in answer.headers


def test_the_body_limit_of_a_route_is_its_own(process: GatewayProcess, echo: EchoServer) -> None:
    gateway = routed(process, echo, max_body_bytes=3_000_000)  # above the gateway's own

    sizes = {2_999_999: 200, 3_000_000: 200, 3_000_001: 413}
    for size, status in sizes.items():
        answer = requests.post(gateway.path("score"), data=b"x" * size, timeout=10)
        assert answer.status_code == status


@pytest.mark.parametrize(
    "extra", [{"max_body_bytes": 0}, {"max_body_bytes": "x"}, {"cors_origins": [1]}]
)
def test_a_route_with_fields_that_make_no_sense_is_not_taken(
    gateway: GatewayProcess, extra: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="routes in force"):
        gateway.route(extra=extra, seconds=1.5, iris=[])

    assert requests.get(gateway.path("score"), timeout=10).status_code == 200
