"""Bodies that JSON allows and no database can hold are refused, with the place named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from deployments.models import Operation
from tests.api.conftest import Studio

SERVICES = "/api/v1/services"


@pytest.fixture
def post(studio: Studio, client: Client) -> Any:
    def send(path: str, body: str) -> Any:
        return client.post(path, body, content_type="application/json", headers=studio.headers)

    return send


def wish(studio: Studio, **changes: Any) -> str:
    """A deploy that is granted, but for the changes."""
    asked = {name: studio.body[name] for name in ("name", "model", "target")}
    return json.dumps({**asked, **changes})


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"target": "\x00"}, "target"),
        ({"name": "\ud800"}, "name"),
        ({"target": "\udfff"}, "target"),
        ({"tags": {"a": "\ud83d"}}, "tags.a"),
        ({"tags": {"\x00": "a"}}, "tags"),
        ({"deployment": {"properties": {"a": ["\ud800"]}}}, "deployment.properties.a.0"),
    ],
)
def test_text_that_cannot_be_kept_is_named(
    post: Any, studio: Studio, changes: dict[str, Any], place: str
) -> None:
    answer = post(SERVICES, wish(studio, **changes))
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [place]


@pytest.mark.parametrize("depth", [40, 900, 100_000])
@pytest.mark.parametrize("path", [SERVICES, "/api/v1/models", "/api/v1/preflight"])
def test_endless_nesting_is_refused(post: Any, path: str, depth: int) -> None:
    answer = post(path, '{"name": ' + "[" * depth + "]" * depth + "}")
    assert answer.status_code == 400
    assert "levels" in answer.json()["message"]


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity", "9" * 400, "9" * 5000, "-0.0"])
@pytest.mark.parametrize("field", ["cpu", "memoryInGB"])
def test_a_number_beyond_reason_is_refused(
    post: Any, studio: Studio, field: str, number: str
) -> None:
    body = wish(studio, deployment={"containerResourceRequirements": {field: "N"}})
    answer = post(SERVICES, body.replace('"N"', number))
    assert answer.status_code == 400
    assert not Operation.objects.filter(service_name="fresh-name").exists()


@pytest.mark.parametrize("body", [b"\xff", b"\x00", b'{"name": "\xff"}', b"", b"\xef\xbb\xbf{}"])
def test_bytes_that_are_no_json_are_refused(studio: Studio, client: Client, body: bytes) -> None:
    answer = client.post(SERVICES, body, content_type="application/json", headers=studio.headers)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_a_body_of_another_kind_is_415(studio: Studio, client: Client) -> None:
    answer = client.post(SERVICES, "a=b", content_type="text/plain", headers=studio.headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "path",
    [
        *("services/%00", "targets/%00", "models/%00", "runs/%00", "experiments/%00/runs"),
        *("services/%ff%fe", "models/%ed%a0%80/versions/1", "tokens/99999999999999999999"),
    ],
)
def test_an_address_of_any_bytes_leads_nowhere(studio: Studio, client: Client, path: str) -> None:
    method = client.delete if path.startswith("tokens") else client.get
    assert method(f"/api/v1/{path}", headers=studio.headers).status_code == 404


def test_what_can_be_kept_is_taken(post: Any, studio: Studio) -> None:
    answer = post(SERVICES, wish(studio, tags={"schlüssel": "🙂"}, description="é"))
    assert answer.status_code == 202, answer.text
    assert answer.json()["service"]["tags"] == {"schlüssel": "🙂"}
