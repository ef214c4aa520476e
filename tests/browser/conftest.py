"""Debian's Chromium, one page per test, watched: a test fails on what its page complains about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.harness import CHROMIUM_FLAGS, Watch
from tests.engines import chromium as chromium_path

# Playwright's synchronous API keeps an event loop in this thread; Django's ORM asks about that
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium per module: left open longer, its event loop would break asyncio tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def base_url(live_server) -> str:
    """Where the pages are; a test of the whole studio overrides this fixture."""
    return str(live_server.url)


@pytest.fixture
def watch(base_url: str) -> Watch:
    return Watch(urlsplit(base_url).netloc)


@pytest.fixture
def context(chromium: Browser, base_url: str, watch: Watch) -> Iterator[BrowserContext]:
    context = chromium.new_context(
        base_url=base_url,
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(10_000)
    watch.attach(context)
    yield context
    context.close()
    assert not watch.problems, "\n".join(watch.problems)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of someone who is not signed in."""
    return context.new_page()


@pytest.fixture
def person(transactional_db) -> User:
    return User.objects.create_user("ada", password="correct horse battery")


@pytest.fixture
def admin(transactional_db) -> User:
    return User.objects.create_superuser("grace", password="correct horse battery")


@pytest.fixture
def sign_in(context: BrowserContext, base_url: str):
    """sign_in(user): gives the browser a session of that user, without the sign-in page."""

    def sign_in(user: User) -> None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base_url}])

    return sign_in
