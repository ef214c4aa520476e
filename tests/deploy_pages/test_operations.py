"""Operations: the page of one, all of them for administrators, cancel and retry."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from deployments.models import Operation
from tests.deploy_pages.html import Page
from tests.factories import deploying

URL = reverse("deployments:operations")


def of(operation: Operation, view: str = "operation") -> str:
    return reverse(f"deployments:{view}", args=[operation.pk])


def test_administrators_see_status_progress_and_who_asked(admin, moving, failed) -> None:
    table = Page(admin.get(URL)).one("table")
    for text in ("on-its-way", "Running", "broken", "Failed", "The model did not load."):
        assert text in table.text


def test_other_people_may_not_and_strangers_sign_in(ada, client, db) -> None:
    assert ada.get(URL).status_code == 403
    assert client.get(URL).status_code == 302


def test_it_is_not_for_posting(admin) -> None:
    assert admin.post(URL).status_code == 405


def test_an_empty_list_says_what_appears_here(admin) -> None:
    assert "No operations yet" in admin.get(URL).content.decode()


def test_it_is_filtered(admin, moving, failed) -> None:
    assert "on-its-way" not in Page(admin.get(URL, {"status": "Failed"})).one("table").text
    assert "broken" not in Page(admin.get(URL, {"q": "on-its"})).one("table").text
    assert "No operation matches" in admin.get(URL, {"kind": "stop"}).content.decode()


def test_a_cursor_leads_through_all_of_them_once(admin, many) -> None:
    many(120)
    seen: list[str] = []
    address = URL
    for _ in range(3):
        page = Page(admin.get(address))
        rows = [item.text for item in page.all("a") if item.text.startswith("n-")]
        seen += rows
        following = page.all("a", rel="next")
        address = URL + following[0]["href"] if following else ""
    assert address == ""
    assert sorted(seen) == [f"n-{number:03d}" for number in range(120)]


@pytest.mark.parametrize("cursor", ["x", "%00", "YWJj", "A" * 300])
def test_a_strange_cursor_is_refused(admin, many, cursor) -> None:
    assert admin.get(URL, {"after": cursor}).status_code == 400


def test_the_number_of_queries_does_not_grow(admin, many, django_assert_max_num_queries) -> None:
    many(1)
    with django_assert_max_num_queries(10) as first:
        admin.get(URL)
    many(49)
    with django_assert_max_num_queries(10) as second:
        admin.get(URL)
    assert len(first) == len(second)


def test_the_page_of_an_operation_outlives_its_service(ada, moving) -> None:
    moving.service.delete()
    page = Page(ada.get(of(moving)))
    assert "on-its-way" in page.one("h1").text


def test_an_operation_that_does_not_exist_is_404(ada) -> None:
    for view in ("operation", "operation-live", "operation-log"):
        assert ada.get(reverse(f"deployments:{view}", args=[uuid.uuid4()])).status_code == 404


def test_the_live_part_ends_with_the_operation(ada, moving) -> None:
    assert ada.get(of(moving, "operation-live")).status_code == 200
    Operation.objects.update(status="Succeeded")
    answer = ada.get(of(moving, "operation-live"))
    assert answer.status_code == 286
    assert Page(answer).one("div", id="operation")["hx-swap-oob"] == "true"


def test_cancel_is_asked_for_once(ada, moving) -> None:
    ada.post(of(moving, "operation-cancel"))
    moving.refresh_from_db()
    assert moving.cancel_requested_at is not None
    page = Page(ada.get(of(moving)))
    assert not page.all("form", action=of(moving, "operation-cancel"))
    assert "Cancelling…" in page.one("div", id="operation-status").text


def test_what_has_ended_is_not_cancelled_and_says_so(ada, failed) -> None:
    answer = ada.post(of(failed, "operation-cancel"), follow=True)
    assert "has ended already" in answer.content.decode()


def test_retry_makes_a_new_operation(ada, failed) -> None:
    answer = ada.post(of(failed, "operation-retry"))
    assert answer["location"] == reverse("deployments:service", args=["broken"])
    assert Operation.objects.filter(service_name="broken").count() == 2


def test_an_open_operation_is_not_retried(ada, moving) -> None:
    assert (
        "did not succeed" in ada.post(of(moving, "operation-retry"), follow=True).content.decode()
    )
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("verb", ["operation-cancel", "operation-retry"])
def test_verbs_are_posts_of_known_operations(ada, client, moving, verb) -> None:
    assert ada.get(of(moving, verb)).status_code == 405
    assert ada.post(reverse(f"deployments:{verb}", args=[uuid.uuid4()])).status_code == 404
    assert client.post(of(moving, verb)).status_code == 302


def test_a_cancel_does_not_lead_off_the_site(ada) -> None:
    operation = deploying("somewhere")
    answer = ada.post(
        of(operation, "operation-cancel"), headers={"referer": "https://elsewhere.example/"}
    )
    assert answer["location"] == of(operation)
