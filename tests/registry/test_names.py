"""Whatever MLflow holds is shown and can be opened."""

from __future__ import annotations

import html

import pytest
from django.test import Client
from django.urls import reverse

from registry import selectors
from tests.registry.conftest import Store

ODD = [
    "with space",
    " leading",
    "ünïcode 模型",
    "100%",
    "%2e%2E",
    "a?b#c&d=e",
    'quote"double',
    "quote'single",
    "both'\"quotes",
    "back\\slash",
    "<b>bold",
    "n" * 256,
]


@pytest.mark.parametrize("name", ODD)
def test_a_model_of_any_name_has_its_pages(
    store: Store, admin_client: Client, trained: object, name: str
) -> None:
    store.client.create_registered_model(name)
    source = next(store.artifacts.glob("1/models/*/artifacts"))
    store.client.create_model_version(name, str(source))
    for view, arguments in (
        ("registry:model", [name]),
        ("registry:model-tab", [name, "details"]),
        ("registry:model-tab", [name, "services"]),
        ("registry:version", [name, "1"]),
        ("registry:version-files", [name, "1"]),
    ):
        answer = admin_client.get(reverse(view, args=arguments))
        assert answer.status_code == 200, view
    listed = admin_client.get(reverse("registry:models")).content.decode()
    assert html.escape(reverse("registry:model", args=[name])) in listed
    assert selectors.version_get(name, "1").problem == ""


@pytest.mark.parametrize("search", ["%", "_", "'", '"', "\\", "`", "\x00", "ü", "x" * 3000])
def test_any_text_can_be_searched_for(store: Store, admin_client: Client, search: str) -> None:
    store.client.create_registered_model("plain")
    answer = admin_client.get(reverse("registry:models"), {"q": search})
    assert answer.status_code == 200


@pytest.mark.parametrize("token", ["x", "e30=", "W10=", "eyJvZmZzZXQiOiAtMX0=", "ü", "\x00"])
def test_a_made_up_page_token_is_refused(store: Store, admin_client: Client, token: str) -> None:
    answer = admin_client.get(reverse("registry:models"), {"page_token": token})
    assert answer.status_code == 400


def test_a_search_finds_part_of_a_name_in_any_case(store: Store, db: None) -> None:
    for name in ("Credit-Risk", "iris"):
        store.client.create_registered_model(name)
    assert [row.model.name for row in selectors.models_list("RISK").items] == ["Credit-Risk"]


def test_prompts_are_not_models(store: Store, db: None) -> None:
    store.client.create_registered_model("a-prompt")
    store.client.set_registered_model_tag("a-prompt", "mlflow.prompt.is_prompt", "true")
    assert selectors.models_list().items == ()
