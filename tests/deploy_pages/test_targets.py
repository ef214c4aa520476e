"""Compute targets: list, page, Check now."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone

from deployments.models import Target
from tests.deploy_pages.html import Page

URL = reverse("deployments:targets")


def of(name: str, view: str = "target") -> str:
    return reverse(f"deployments:{view}", args=[name])


def test_the_list_shows_state_capacity_and_what_runs_there(ada, service) -> None:
    Target.objects.filter(name="fake").update(
        capacity={"cpu_total": 4.0, "memory_total_mb": 8192.0, "memory_free_mb": 4096.0}
    )
    row = Page(ada.get(URL)).all("tr")[1].text
    for text in ("fake", "Ready", "4", "4.0 GB", "8.0 GB", "1"):
        assert text in row


def test_kinds_that_are_not_here_say_what_they_would_need(ada, service) -> None:
    assert "Kubernetes cluster" in Page(ada.get(URL)).one("main").text


def test_targets_make_themselves(ada) -> None:
    assert ada.get(URL).status_code == 200
    assert set(Target.objects.values_list("kind", flat=True)) >= {"local", "docker"}


def test_the_page_lists_services_and_problems(ada, service) -> None:
    Target.objects.filter(name="fake").update(problems=["Start it with `fake up`."])
    page = Page(ada.get(of("fake")))
    assert "Start it with `fake up`." in page.one("main").text
    assert page.all("a", href=reverse("deployments:service", args=["diabetes-v1"]))


def test_check_now_asks_and_leads_back(ada, fake) -> None:
    Target.objects.update(checked_at=None)
    before = timezone.now()
    assert ada.post(of("fake", "target-check"))["location"] == of("fake")
    fake.refresh_from_db()
    assert fake.checked_at >= before


def test_strangers_wrong_names_and_wrong_methods(ada, client, fake) -> None:
    assert client.get(URL).status_code == 302
    assert ada.post(URL).status_code == 405
    assert ada.get(of("nobody")).status_code == 404
    assert ada.get(of("fake", "target-check")).status_code == 405
    assert ada.post(of("nobody", "target-check")).status_code == 404


def test_the_number_of_queries_does_not_grow(ada, many, django_assert_max_num_queries) -> None:
    many(1)
    with django_assert_max_num_queries(8) as first:
        ada.get(of("fake"))
    many(49)
    with django_assert_max_num_queries(8) as second:
        ada.get(of("fake"))
    assert len(first) == len(second)
