"""The list of services."""

from __future__ import annotations

from django.urls import reverse

from deployments.models import Operation, Service
from tests.deploy_pages.html import Page

URL = reverse("deployments:services")


def test_it_shows_state_model_target_and_scoring_uri(ada, service) -> None:
    page = Page(ada.get(URL))
    row = page.all("tr")[1]
    for text in ("diabetes-v1", "Healthy", "diabetes", "version 1", "fake"):
        assert text in row.text
    uri = "http://testserver:8001/api/v1/service/diabetes-v1/score"
    assert page.one("button", data_copy=uri)


def test_an_anonymous_person_is_sent_to_sign_in(client, db) -> None:
    assert client.get(URL)["location"].startswith(reverse("login"))


def test_it_is_not_for_posting(ada) -> None:
    assert ada.post(URL).status_code == 405


def test_an_empty_list_says_what_to_do(ada) -> None:
    page = Page(ada.get(URL))
    assert any("No services yet" in item.text for item in page.all("h2"))
    assert page.all("a", href=reverse("registry:models"))


def test_it_is_filtered_by_state_and_by_words(ada, service, failed) -> None:
    assert "broken" not in Page(ada.get(URL, {"state": "Healthy"})).one("table").text
    assert "diabetes-v1" not in Page(ada.get(URL, {"q": "brok"})).one("table").text
    assert "No service matches" in ada.get(URL, {"q": "zzz\x00"}).content.decode()
    assert ada.get(URL, {"state": "nonsense", "page": "x"}).status_code == 200


def test_a_failed_service_says_why(ada, failed) -> None:
    assert "The model did not load." in Page(ada.get(URL)).one("table").text


def test_it_looks_again_only_while_something_moves(ada, service) -> None:
    assert "hx-get" not in Page(ada.get(URL)).one("div", id="service-rows").attributes
    assert ada.get(URL, {"part": "rows"}).status_code == 286
    Service.objects.update(state="Transitioning")
    assert "part=rows" in Page(ada.get(URL)).one("div", id="service-rows")["hx-get"]
    answer = ada.get(URL, {"part": "rows"})
    assert answer.status_code == 200
    assert not Page(answer).all("html")


def test_it_looks_again_after_a_deletion_that_nobody_has_begun(ada, service) -> None:
    Service.objects.update(desired="deleted")
    assert "part=rows" in Page(ada.get(URL)).one("div", id="service-rows")["hx-get"]


def test_the_number_of_queries_does_not_grow(ada, many, django_assert_max_num_queries) -> None:
    many(1)
    with django_assert_max_num_queries(8) as first:
        ada.get(URL)
    many(49)
    with django_assert_max_num_queries(8) as second:
        assert Page(ada.get(URL)).one("table").text.count("n-0") >= 50
    assert len(first) == len(second)
    assert Operation.objects.count() == 50
