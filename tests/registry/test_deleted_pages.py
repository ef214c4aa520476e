"""Deleted versions and models in the browser and by the REST API."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from registry import selectors, services
from registry.deleted import keeping
from registry.models import DeletedVersion
from tests.registry.conftest import Store
from workspaces.tokens import token_create

MODELS = "/api/v1/deleted-models"
VERSIONS = "/api/v1/deleted-versions"


@pytest.fixture
def api(store: Store, user: Any, client: Client) -> Client:
    _row, plain = token_create(user=user, name="test")
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {plain}"
    return client


@pytest.fixture
def registered(store: Store, user: Any) -> str:
    for _number in range(2):
        services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    return "diabetes"


@pytest.fixture
def deleted(registered: str, user: Any) -> int:
    """Version 1 of the model is deleted, version 2 lives."""
    services.version_delete(name=registered, version="1", user=user)
    return int(DeletedVersion.objects.get().pk)


def _text(client: Client, view: str, *args: Any) -> str:
    answer = client.get(reverse(f"registry:{view}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


# --- pages ---------------------------------------------------------------------------------------


def test_before_deleting_one_reads_how_long_it_can_be_restored(
    registered: str, admin_client: Client
) -> None:
    for text in (
        _text(admin_client, "model", registered),
        _text(admin_client, "version", registered, "1"),
    ):
        assert "It can be restored for 30 days." in text


def test_the_models_page_lists_its_deleted_versions(deleted: int, admin_client: Client) -> None:
    tab = reverse("registry:model-tab", args=["diabetes", "deleted"])
    assert tab in _text(admin_client, "model", "diabetes")
    text = admin_client.get(tab).content.decode()
    assert "Version 1" in text
    assert "ada" in text
    assert reverse("registry:version-restore", args=[deleted]) in text
    assert reverse("registry:version-purge", args=[deleted]) in text


def test_without_deleted_versions_there_is_no_tab(registered: str, admin_client: Client) -> None:
    tab = reverse("registry:model-tab", args=[registered, "deleted"])
    assert tab not in _text(admin_client, "model", registered)
    assert "No deleted versions" in admin_client.get(tab).content.decode()


def test_restoring_leads_to_the_new_version_and_says_so(deleted: int, admin_client: Client) -> None:
    url = reverse("registry:version-restore", args=[deleted])
    assert admin_client.get(url).status_code == 405
    answer = admin_client.post(url, follow=True)
    assert answer.redirect_chain[0][0] == reverse("registry:version", args=["diabetes", "3"])
    text = answer.content.decode()
    assert "Version 1 of “diabetes” was restored as version 3." in text
    assert "from the deleted version 1 by admin" in text
    assert admin_client.post(url).status_code == 404


def test_a_refused_restore_says_why(deleted: int, store: Store, admin_client: Client) -> None:
    store.client.delete_logged_model(DeletedVersion.objects.get().model_id)
    answer = admin_client.post(reverse("registry:version-restore", args=[deleted]), follow=True)
    assert "The files of version 1 are gone" in answer.content.decode()
    assert answer.redirect_chain[0][0].endswith("/models/diabetes/deleted/")


def test_deleting_for_good_says_so(deleted: int, admin_client: Client) -> None:
    answer = admin_client.post(reverse("registry:version-purge", args=[deleted]), follow=True)
    assert "deleted for good" in answer.content.decode()
    assert not DeletedVersion.objects.exists()


def test_a_deleted_model_is_found_from_the_list_and_restored(
    registered: str, admin_client: Client, user: Any
) -> None:
    services.model_delete(name=registered, user=user)
    assert reverse("registry:deleted-models") in _text(admin_client, "models")
    text = _text(admin_client, "deleted-models")
    assert reverse("registry:model-restore", args=[registered]) in text
    page = _text(admin_client, "deleted-model", registered)
    assert "Version 1" in page
    assert "Version 2" in page
    answer = admin_client.post(reverse("registry:model-restore", args=[registered]), follow=True)
    assert "Model “diabetes” was restored with 2 versions." in answer.content.decode()
    assert "No deleted models" in _text(admin_client, "deleted-models")
    gone = admin_client.get(reverse("registry:deleted-model", args=[registered]))
    assert gone.status_code == 404


def test_a_deleted_model_is_deleted_for_good(
    registered: str, admin_client: Client, user: Any
) -> None:
    services.model_delete(name=registered, user=user)
    answer = admin_client.post(reverse("registry:model-purge", args=[registered]), follow=True)
    assert "“diabetes” was deleted for good." in answer.content.decode()
    assert "No deleted models" in answer.content.decode()


def test_the_page_of_a_deleted_model_that_lives_again_is_its_own(
    deleted: int, admin_client: Client
) -> None:
    answer = admin_client.get(reverse("registry:deleted-model", args=["diabetes"]))
    assert answer["Location"] == reverse("registry:model-tab", args=["diabetes", "deleted"])


@pytest.mark.parametrize("name", ["nothing", "%00", "%ff", "n" * 600])
def test_what_was_never_deleted_is_404(store: Store, admin_client: Client, name: str) -> None:
    assert admin_client.get(f"/deleted-models/{name}/").status_code == 404
    assert admin_client.post(f"/deleted-models/{name}/restore/").status_code == 404


def test_lists_ask_the_database_the_same_number_of_times(
    registered: str, store: Store, user: Any, admin_client: Client
) -> None:
    source = selectors.version_get(registered, "1").source
    pages = ["/deleted-models/", "/models/diabetes/deleted/", "/models/diabetes/"]
    counts = []
    for number in range(2, 33):
        store.client.create_model_version(registered, source)
        services.version_delete(name=registered, version=str(number), user=user)
        store.client.create_registered_model(f"m{number}")
        services.model_delete(name=f"m{number}", user=user)
        if number in (3, 32):
            counts.append([_queries(admin_client, page) for page in pages])
    assert counts[0] == counts[1]


def _queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


# --- API -----------------------------------------------------------------------------------------


def test_a_deleted_version_is_listed_shown_and_restored(api: Client, deleted: int) -> None:
    (item,) = api.get(VERSIONS, {"name": "diabetes"}).json()["items"]
    assert (item["id"], item["version"], item["deleted_by"]) == (deleted, "1", "ada")
    assert api.get(f"{VERSIONS}/{deleted}").json() == item
    assert api.get(VERSIONS, {"name": "other"}).json()["items"] == []
    answer = api.post(f"{VERSIONS}/{deleted}/restore")
    assert answer.status_code == 201
    assert answer.json() == {
        "name": "diabetes",
        "version": "3",
        "was": "1",
        "uri": "models:/diabetes/3",
        "aliases_lost": [],
    }
    assert api.post(f"{VERSIONS}/{deleted}/restore").status_code == 404
    assert api.get(VERSIONS).json() == {"items": [], "next_page_token": ""}


def test_a_deleted_model_is_listed_and_restored(api: Client, registered: str) -> None:
    api.delete(f"/api/v1/models/{registered}")
    (item,) = api.get(MODELS).json()["items"]
    assert (item["name"], item["versions"], item["deleted_by"]) == ("diabetes", 2, "ada")
    answer = api.post(f"{MODELS}/{registered}/restore")
    assert answer.status_code == 201
    assert [item["version"] for item in answer.json()["versions"]] == ["1", "2"]
    assert answer.json()["problems"] == []
    assert api.post(f"{MODELS}/{registered}/restore").status_code == 404


def test_files_that_are_gone_are_409(api: Client, deleted: int, store: Store) -> None:
    store.client.delete_logged_model(DeletedVersion.objects.get().model_id)
    answer = api.post(f"{VERSIONS}/{deleted}/restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "files_gone")


def test_deleting_for_good_by_the_api(api: Client, deleted: int, registered: str) -> None:
    assert api.delete(f"{VERSIONS}/{deleted}").status_code == 204
    assert api.delete(f"{VERSIONS}/{deleted}").status_code == 404
    api.delete(f"/api/v1/models/{registered}")
    assert api.delete(f"{MODELS}/{registered}").status_code == 204
    assert api.delete(f"{MODELS}/{registered}").status_code == 404
    assert keeping.models_page()[0].items == []


def test_lists_of_the_api_have_pages(api: Client, registered: str, user: Any) -> None:
    for version in ("1", "2"):
        services.version_delete(name=registered, version=version, user=user)
    first = api.get(VERSIONS, {"limit": 1}).json()
    assert [item["version"] for item in first["items"]] == ["2"]
    token = first["next_page_token"]
    second = api.get(VERSIONS, {"limit": 1, "page_token": token}).json()
    assert [item["version"] for item in second["items"]] == ["1"]
    assert second["next_page_token"] == ""
    assert api.get(VERSIONS, {"page_token": "made-up"}).status_code == 400
    assert api.get(VERSIONS, {"name": "\x00"}).status_code in (200, 400)


@pytest.mark.parametrize("deleted_id", ["0", "x", "-1", "9" * 30])
def test_a_number_of_any_text_is_404(api: Client, deleted_id: str) -> None:
    assert api.get(f"{VERSIONS}/{deleted_id}").status_code == 404
    assert api.post(f"{VERSIONS}/{deleted_id}/restore").status_code == 404


def test_without_a_token_it_is_401(store: Store, client: Client, db: None) -> None:
    for url in (MODELS, VERSIONS):
        assert client.get(url).status_code == 401
