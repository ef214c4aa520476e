"""The last presses of every way to a service: Deploy, then Send on its Test page."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Page, expect

CARDS = {"local": "Local process", "docker": "Docker container"}
ARRIVES = 400_000  # ms; the environment is built from nothing, on a machine that may be busy


def deploy_and_ask(page: Page, target: str, holds: str = "predictions") -> Any:
    """Choose the target's card, press Deploy, wait for the Test page and press Send.

    Args:
        holds: a part of the answer that is waited for.
    Returns:
        the JSON that the service answered.
    """
    page.get_by_text(CARDS[target], exact=True).click()
    return press_deploy_and_ask(page, holds)


def press_deploy_and_ask(page: Page, holds: str = "predictions") -> Any:
    """The same with a target that is chosen already."""
    page.get_by_role("button", name="Deploy", exact=True).click()
    send = page.get_by_role("button", name="Send")
    try:
        send.wait_for(timeout=ARRIVES)
    except Exception:
        raise AssertionError(page.locator("main").inner_text()) from None
    send.click()
    expect(page.locator("#answer-body")).to_contain_text(holds, timeout=60_000)
    return json.loads(page.locator("#answer-body").inner_text())


def service_of(page: Page) -> str:
    """The name of the service whose page is open."""
    found = re.search(r"/services/([a-z0-9-]+)/", page.url)
    assert found, page.url
    return found[1]
