"""Choosing another model version on the Deploy page: what was typed stays, the rest follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from mlflow import MlflowClient

from registry.models import VersionRecord
from tests.deploy_pages.html import Page
from tests.deploy_pages.test_deploy import HTMX, URL, form
from tests.deploy_pages.test_deploy import targets as targets

CHANGE = reverse("deployments:deploy-version")


@pytest.fixture
def second(model: str, tmp_path: Path) -> None:
    """Version 2 of the model, with the same files."""
    uri = django_settings.SLIPWAY.tracking_uri
    MlflowClient(uri, uri).create_model_version(model, str(tmp_path / "files"))


def chosen(ada: Client, **changes: Any) -> Page:
    """The form after version 2 was chosen in the one that was filled for version 1."""
    page = Page(ada.get(URL, {"model": "diabetes", "version": "1"}))
    untouched = {
        name: page.one("input", id=f"id_{name}")["value"] for name in ("name", "cpu", "memory")
    }
    posted = form(**{"filled_for": "1", "version": "2", "target": "local", **untouched, **changes})
    answer = ada.post(CHANGE, posted, headers=HTMX)
    assert answer.status_code == 200
    assert answer["HX-Push-Url"] == f"{URL}?model=diabetes&version=2"
    return Page(answer)


def value(page: Page, name: str) -> str:
    return str(page.one("input", id=f"id_{name}")["value"])


def test_what_nobody_touched_follows(ada: Client, targets: None, second: None) -> None:
    ada.get(URL, {"model": "diabetes", "version": "2"})  # its files are read
    assert VersionRecord.objects.filter(version="2").update(memory_mb=3000) == 1
    page = chosen(ada)
    assert value(page, "name") == "diabetes-v2"
    assert float(value(page, "memory")) > 2
    assert page.one("input", name="filled_for")["value"] == "2"


def test_what_was_typed_stays(ada: Client, targets: None, second: None) -> None:
    page = chosen(
        ada, name="iris", cpu="0.5", memory="", tags="team=a", timeout="5", target="docker", auth=""
    )
    assert [value(page, name) for name in ("name", "cpu", "memory", "timeout", "tags")] == [
        *("iris", "0.5", "", "5", "team=a"),
    ]
    assert "checked" in page.one("input", id="target-docker").attributes
    assert "checked" not in page.one("input", name="auth").attributes


def test_a_script_that_was_typed_stays(ada: Client, targets: None, second: None) -> None:
    script = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
    page = chosen(ada, code="script", script_name="mine.py", script_text=script)
    assert value(page, "script_name") == "mine.py"
    assert "def run(data)" in page.one("textarea", name="script_text").text


def test_the_version_that_is_there_already_changes_nothing(
    ada: Client, targets: None, second: None
) -> None:
    page = chosen(ada, filled_for="2", tags="team=a", name="iris")
    assert [value(page, name) for name in ("name", "tags")] == ["iris", "team=a"]


@pytest.mark.parametrize("before", ["", "7", "no version", "\x00"])
def test_a_version_that_is_gone_leaves_everything_as_typed(
    ada: Client, targets: None, second: None, before: str
) -> None:
    page = chosen(ada, filled_for=before)
    assert value(page, "name") == "diabetes-v1"


@pytest.mark.parametrize("wanted", ["", "7", "\x00", "9" * 5000])
def test_a_version_that_does_not_exist_is_said(
    ada: Client, targets: None, second: None, wanted: str
) -> None:
    answer = ada.post(CHANGE, form(filled_for="1", version=wanted), headers=HTMX)
    assert answer.status_code == 404
