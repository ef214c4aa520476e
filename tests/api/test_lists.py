"""Every list is read page by page in one way, and says so in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from deployments.building.environments import DONE_FILE
from registry.environments.services import environment_create
from studio.models import SavedView
from tests.api.conftest import Logged, Studio
from tests.factories import TargetFactory
from workspaces.models import ApiToken
from workspaces.tracking.store.opening import store_id

LISTS = ("environments", "environments/builds", "experiments", "experiments/{experiment_id}/runs",
         "experiments/{experiment_id}/views", "models", "operations", "quotas", "services",
         "targets", "tokens")  # fmt: skip


@pytest.fixture
def crowded(studio: Studio, logged: Logged, many_services: Callable[[int], None]) -> Studio:
    """At least two rows in every list."""
    many_services(2)
    TargetFactory(name="second", kind="fake")
    environment_create(name="second", user=None)
    TargetFactory(name="local")
    for digest in ("a" * 64, "b" * 64):
        (settings.DATA.environments / digest).mkdir(parents=True, exist_ok=True)
        (settings.DATA.environments / digest / DONE_FILE).write_text("1")
    experiment = studio.places["experiment_id"][0]
    for name in ("best", "other"):
        owner = ApiToken.objects.get().user
        SavedView.objects.get_or_create(
            owner=owner, store=store_id(), experiment_id=experiment, name=name
        )
    ApiToken.objects.create(user=ApiToken.objects.get().user, name="b", sha256="b", prefix="b")
    return studio


@pytest.fixture
def read(crowded: Studio, client: Client) -> Callable[..., Any]:
    def ask(path: str, **query: Any) -> Any:
        place = path.format(experiment_id=crowded.places["experiment_id"][0])
        return client.get(f"/api/v1/{place}", query, headers=crowded.headers)

    return ask


def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.mark.parametrize("path", LISTS)
def test_pages_of_one_row_make_the_whole_list(read: Callable[..., Any], path: str) -> None:
    whole = read(path).json()
    assert set(whole) == {"items", "next_page_token"}
    assert whole["next_page_token"] == ""
    assert len(whole["items"]) >= 2
    found: list[Any] = []
    token = ""
    for _turn in whole["items"]:
        page = read(path, limit=1, page_token=token).json()
        found += page["items"]
        token = page["next_page_token"]
        assert bool(token) == (len(found) < len(whole["items"]))
    assert found == whole["items"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        *({"limit": value} for value in ("0", "-1", "201", "x", "1.5", "²", "9" * 5000)),
        *({"page_token": value} for value in ("%%%", "é", "AA", "x" * 5000, "\x00", "W10")),
        {"page_token": "eyJvZmZzZXQiOiA5OTk5OTk5OTk5OTk5OTk5OTk5OX0="},
    ],
    ids=lambda query: " ".join(f"{key}={value[:12]!r}" for key, value in query.items()),
)
def test_a_wrong_limit_or_token_is_named(
    read: Callable[..., Any], path: str, query: dict[str, str]
) -> None:
    answer = read(path, **query)
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == list(query)


def test_the_document_describes_every_list_alike() -> None:
    paths = document()["paths"]
    for path in LISTS:
        call = paths[f"/api/v1/{path}"]["get"]
        assert {"page_token", "limit"} <= {item["name"] for item in call["parameters"]}, path
        answer = call["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        shape = document()["components"]["schemas"][answer.rpartition("/")[2]]
        assert shape["required"] == ["items", "next_page_token"], path


def test_the_document_is_valid_and_every_call_names_its_refusals() -> None:
    found = document()
    validate_schema(found)
    problem = "#/components/schemas/Problem"
    for path, calls in found["paths"].items():
        for method, call in calls.items():
            refused = {code for code in call["responses"] if code >= "400"}
            assert path == "/api/v1/health" or "401" in refused, (method, path)
            for code in refused if path != "/api/v1/health" else ():
                content = call["responses"][code]["content"]["application/json"]
                assert content["schema"]["$ref"] == problem, (method, path, code)


def test_making_the_document_warns_of_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    from django.core.management import call_command

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
    assert "Warning" not in capfd.readouterr().err
