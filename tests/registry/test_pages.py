"""The pages of models and versions, and registering in the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from registry import selectors, services, uses
from tests.registry.conftest import Store
from workspaces.tracking.store.opening import store_id

HTMX = {"HX-Request": "true"}


@pytest.fixture
def registered(store: Store, admin_user: Any) -> str:
    services.model_register_from_run(run_id=store.run_id, name="diabetes", user=admin_user)
    return "diabetes"


def test_nobody_sees_models_without_signing_in(store: Store, client: Client, db: None) -> None:
    assert AnonymousUser().is_anonymous
    for url in (reverse("registry:models"), reverse("registry:register", args=[store.run_id])):
        answer = client.get(url)
        assert answer.status_code == 302
        assert "login" in answer["Location"]


def test_an_empty_list_says_what_to_do(store: Store, admin_client: Client) -> None:
    text = admin_client.get(reverse("registry:models")).content.decode()
    assert "No models yet" in text
    assert "Register model" in text


def test_a_model_without_versions_leads_to_its_first_one(
    store: Store, admin_client: Client
) -> None:
    store.client.create_registered_model("empty one")
    text = admin_client.get(reverse("registry:model", args=["empty one"])).content.decode()
    assert "This model has no versions" in text
    url = f"{reverse('registry:upload')}?name=empty%20one"
    assert f'<a class="btn btn-primary" href="{url}">Upload version</a>' in text


def test_register_is_one_click_with_the_name_filled_in(store: Store, admin_client: Client) -> None:
    url = reverse("registry:register", args=[store.run_id])
    panel = admin_client.get(url, headers=HTMX).content.decode()
    assert 'value="diabetes"' in panel
    assert "<html" not in panel
    answer = admin_client.post(url, {"name": "diabetes"}, headers=HTMX)
    assert answer["HX-Redirect"] == reverse("registry:version", args=["diabetes", "1"])


def test_register_works_without_scripts(store: Store, admin_client: Client) -> None:
    url = reverse("registry:register", args=[store.run_id])
    assert "<html" in admin_client.get(url).content.decode()
    values = {"name": "diabetes", "description": "d", "tags": "area=qna", "properties": "owner=ada"}
    assert admin_client.post(url, values).status_code == 302
    found = selectors.version_get("diabetes", "1")
    assert (found.description, found.properties) == ("d", {"owner": "ada"})
    assert found.tags == {"area": "qna"}


def test_framework_and_samples_are_folded_away_but_kept(store: Store, admin_client: Client) -> None:
    url = reverse("registry:register", args=[store.run_id])
    assert '<details class="fold">' in admin_client.get(url, headers=HTMX).content.decode()
    values = {
        "name": "diabetes",
        "framework": "ScikitLearn",
        "framework_version": "1.6.1",
        "sample_input": '[{"bmi": 1.5}]',
        "sample_output": "[2.5]",
    }
    assert "HX-Redirect" in admin_client.post(url, values, headers=HTMX).headers
    found = selectors.version_get("diabetes", "1")
    assert (found.framework, found.framework_version) == ("ScikitLearn", "1.6.1")
    assert (found.sample_input, found.sample_output) == ([{"bmi": 1.5}], [2.5])
    wrong = admin_client.post(url, {**values, "sample_input": "{"}, headers=HTMX)
    assert wrong.status_code == 422
    assert '<details class="fold" open>' in wrong.content.decode()
    assert 'id="id_sample_input_error"' in wrong.content.decode()


def test_a_wrong_name_comes_back_beside_its_field(store: Store, admin_client: Client) -> None:
    url = reverse("registry:register", args=[store.run_id])
    answer = admin_client.post(url, {"name": "no spaces!"}, headers=HTMX)
    assert answer.status_code == 422
    assert "starts with a letter" in answer.content.decode()
    assert 'value="no spaces!"' in answer.content.decode()


def test_of_several_models_one_is_chosen(store: Store, admin_client: Client) -> None:
    url = reverse("registry:register", args=[store.two_models_run_id])
    assert '<option value="first"' in admin_client.get(url, headers=HTMX).content.decode()
    admin_client.post(url, {"name": "m", "path": "first"})
    run = _run(store.two_models_run_id)
    first = next(item for item in selectors.run_choices(run) if item.path == "first")
    assert selectors.version_get("m", "1").source == first.source


def test_a_run_without_a_model_has_no_form_but_the_reason(
    store: Store, admin_client: Client
) -> None:
    url = reverse("registry:register", args=[store.empty_run_id])
    text = admin_client.get(url, headers=HTMX).content.decode()
    assert "This run logged no model" in text
    assert "<form" not in text
    assert admin_client.post(url, {"name": "x"}, headers=HTMX).status_code == 422


def test_a_run_that_is_not_there_is_404(store: Store, admin_client: Client) -> None:
    assert admin_client.get(reverse("registry:register", args=["0" * 32])).status_code == 404


def test_the_version_page_leads_to_deploying(registered: str, admin_client: Client) -> None:
    text = admin_client.get(reverse("registry:version", args=[registered, "1"])).content.decode()
    assert "/deploy/?model=diabetes&amp;version=1" in text
    for part in ("dataframe_split", "scikit-learn==1.6.1", "bmi", "model.pkl", "A model is code."):
        assert part in text
    assert "$AZUREML_MODEL_DIR/model<" in text


def test_files_never_read_before_load_after_the_page(
    registered: str, store: Store, admin_client: Client
) -> None:
    store.client.create_model_version(
        "diabetes", selectors.version_get(registered, "1").source, run_id=store.run_id
    )
    url = reverse("registry:version", args=[registered, "2"])
    part = reverse("registry:version-files", args=[registered, "2"])
    assert f'hx-get="{part}"' in admin_client.get(url).content.decode()
    assert "scikit-learn==1.6.1" in admin_client.get(part, headers=HTMX).content.decode()
    assert f'hx-get="{part}"' not in admin_client.get(url).content.decode()


def test_delete_is_refused_with_the_services(registered: str, admin_client: Client) -> None:
    uses.use_add(store=store_id(), name=registered, version="1", service="ridge")
    for url in (
        reverse("registry:version-delete", args=[registered, "1"]),
        reverse("registry:model-delete", args=[registered]),
    ):
        answer = admin_client.post(url, follow=True)
        assert "is used by ridge" in answer.content.decode()
    assert selectors.version_get(registered, "1").version == "1"
    tab = reverse("registry:model-tab", args=[registered, "services"])
    assert "ridge" in admin_client.get(tab).content.decode()


def test_deleting_leads_back_and_says_so(registered: str, admin_client: Client) -> None:
    answer = admin_client.post(reverse("registry:version-delete", args=[registered, "1"]))
    assert answer["Location"] == reverse("registry:model", args=[registered])
    answer = admin_client.post(reverse("registry:model-delete", args=[registered]), follow=True)
    assert "was deleted" in answer.content.decode()


def test_a_page_that_only_reads_refuses_to_delete(registered: str, admin_client: Client) -> None:
    url = reverse("registry:version-delete", args=[registered, "1"])
    assert admin_client.get(url).status_code == 405


def test_tags_and_aliases_change_in_place(registered: str, admin_client: Client) -> None:
    tags = reverse("registry:version-tags", args=[registered, "1"])
    assert "area: qna" in admin_client.post(tags, {"key": "area", "value": "qna"}).content.decode()
    assert "No tags." in admin_client.post(tags, {"remove": "area"}).content.decode()
    aliases = reverse("registry:version-aliases", args=[registered, "1"])
    assert "champion" in admin_client.post(aliases, {"alias": "champion"}).content.decode()
    refused = admin_client.post(aliases, {"alias": "latest"})
    assert refused.status_code == 422
    assert "reserved" in refused.content.decode()
    assert selectors.version_get(registered, "1").aliases == ("champion",)
    model = reverse("registry:model-tags", args=[registered])
    assert "team: red" in admin_client.post(model, {"key": "team", "value": "red"}).content.decode()


def test_a_description_is_edited_in_the_panel(registered: str, admin_client: Client) -> None:
    url = reverse("registry:version-edit", args=[registered, "1"])
    assert "textarea" in admin_client.get(url, headers=HTMX).content.decode()
    answer = admin_client.post(url, {"description": "<script>x</script>"}, headers=HTMX)
    page = admin_client.get(answer["HX-Redirect"]).content.decode()
    assert "&lt;script&gt;x" in page
    assert admin_client.post(url, {"description": ""}, headers=HTMX)["HX-Redirect"]
    assert selectors.version_get(registered, "1").description == ""


@pytest.mark.parametrize(
    "path",
    [
        "/models/nothing/",
        "/models/diabetes/nothing/",
        "/models/diabetes/versions/9/",
        "/models/diabetes/versions/x/",
        "/models/%00/",
        "/models/%ff/",
        f"/models/{'n' * 600}/",
    ],
)
def test_what_is_not_there_is_404(registered: str, admin_client: Client, path: str) -> None:
    assert admin_client.get(path).status_code == 404


def test_lists_ask_the_database_the_same_number_of_times(
    registered: str, store: Store, admin_client: Client
) -> None:
    pages = (reverse("registry:models"), reverse("registry:model", args=[registered]))
    few = [_queries(admin_client, url) for url in pages]
    source = selectors.version_get(registered, "1").source
    for number in range(30):
        store.client.create_registered_model(f"m{number}")
        store.client.create_model_version("diabetes", source)
        uses.use_add(store=store_id(), name=f"m{number}", version="1", service=f"s{number}")
        uses.use_add(store=store_id(), name="diabetes", version=str(number), service=f"s{number}")
    assert [_queries(admin_client, url) for url in pages] == few


def test_a_long_list_has_pages(store: Store, admin_client: Client) -> None:
    for number in range(53):
        store.client.create_registered_model(f"m{number:02}")
    first = selectors.models_list()
    assert len(first.items) == 50
    second = admin_client.get(reverse("registry:models"), {"page_token": first.next_token})
    assert second.content.decode().count('class="name"') == 3
    assert 'rel="prev"' in second.content.decode()


def _queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def _run(run_id: str) -> Any:
    from workspaces import tracking

    return tracking.run_get(run_id)
