"""Sign-in: the page, and its limit."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from workspaces.models import Event
from workspaces.sign_in import MOST_PER_ADDRESS, MOST_PER_USER_AND_ADDRESS

GOOD = {"username": "ada", "password": "a-long-password-1"}


@pytest.fixture
def page() -> str:
    return reverse("login")


def fail(page: str, times: int, **more: Any) -> Any:
    browser = Client(**more)
    for _ in range(times):
        answer = browser.post(page, {"username": "ada", "password": "wrong"})
    return answer


def test_a_person_signs_in_and_out(ada: Any, client: Any, page: str) -> None:
    assert client.get(page).status_code == 200
    answer = client.post(page, {**GOOD, "next": "/tokens/"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/tokens/")
    assert client.post(reverse("logout")).headers["Location"] == page
    assert client.get("/tokens/").status_code == 302


def test_it_never_leads_to_another_site(ada: Any, client: Any, page: str) -> None:
    answer = client.post(page, {**GOOD, "next": "https://evil.example/"})
    assert answer.headers["Location"].startswith("/")


def test_a_wrong_password_says_so_and_is_an_event(ada: Any, page: str) -> None:
    answer = fail(page, 1)
    assert answer.status_code == 401
    assert "The user name or the password is wrong." in answer.content.decode()
    assert Event.objects.get().subject == "ada"


def test_too_many_failures_are_stopped_and_forgotten(ada: Any, page: str) -> None:
    fail(page, MOST_PER_USER_AND_ADDRESS)
    answer = Client().post(page, GOOD)
    assert answer.status_code == 429
    assert "Too many failed attempts. Try again in 15 minutes." in answer.content.decode()
    elsewhere = Client(REMOTE_ADDR="10.1.1.1")
    assert elsewhere.post(page, GOOD).status_code == 302
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert Client().post(page, GOOD).status_code == 302


def test_trying_many_names_from_one_address_is_stopped(ada: Any, page: str) -> None:
    browser = Client()
    for number in range(MOST_PER_ADDRESS):
        browser.post(page, {"username": f"name{number}", "password": "wrong"})
    assert browser.post(page, GOOD).status_code == 429


def test_a_name_that_nobody_has_is_not_written_down(ada: Any, client: Any, page: str) -> None:
    client.post(page, {"username": "my-secret-password", "password": "x"})
    assert "my-secret-password" not in str(Event.objects.values())


@pytest.mark.parametrize("data", [{}, {"username": "x" * 9999}, {"username": "a\x00b"}])
def test_nonsense_is_refused(db: None, client: Any, page: str, data: dict[str, str]) -> None:
    assert client.post(page, {"password": "x", **data}).status_code == 401


def test_pages_carry_the_policy(client: Any, db: None, page: str) -> None:
    policy = client.get(page).headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'self'" in policy
