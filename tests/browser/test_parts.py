"""Parts of pages that need a browser: panel, questions, secrets, charts, logs, lazy parts."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import parts_site
from tests.browser.harness import look

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.browser.parts_site"),
]


HOME = re.compile(r"//[^/]+/$")


@pytest.fixture
def parts(page: Page, sign_in, person) -> Page:
    parts_site.posted.clear()
    parts_site.failing.update(lazy=False, log=False)
    sign_in(person)
    page.goto("/parts/")
    return page


def test_the_parts_look_right_and_everyone_can_use_them(parts):
    expect(parts.locator(".chart .main-svg").first).to_be_visible()
    expect(parts.get_by_text("Here they are.")).to_be_visible()
    expect(parts.get_by_role("log", name="Log", exact=True)).to_contain_text("INFO done")
    look(parts, "parts")


def test_the_panel_opens_and_escape_brings_the_focus_back(parts):
    register = parts.get_by_role("button", name="Register")
    register.focus()
    parts.keyboard.press("Enter")
    expect(parts.get_by_role("dialog", name="Register model")).to_be_visible()
    expect(parts.get_by_role("textbox", name="Name")).to_be_focused()
    look(parts, "panel")
    parts.keyboard.press("Escape")
    expect(parts.get_by_role("dialog")).to_have_count(0)
    expect(register).to_be_focused()


def test_the_panel_shows_what_is_wrong_and_keeps_what_was_typed(parts, watch):
    watch.allow(422)
    parts.get_by_role("button", name="Register").click()
    parts.get_by_role("textbox", name="Name").fill("taken")
    parts.get_by_role("button", name="Register").last.click()
    expect(parts.get_by_text("Choose another name.")).to_be_visible()
    expect(parts.get_by_role("textbox", name="Name")).to_have_value("taken")
    parts.get_by_role("textbox", name="Name").fill("iris")
    parts.keyboard.press("Enter")
    expect(parts).to_have_url(HOME)
    assert parts_site.posted == [{"panel": "iris"}]


def test_deleting_asks_for_the_name_of_the_object(parts):
    parts.get_by_role("button", name="Delete").click()
    dialog = parts.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete “iris”?")
    yes = dialog.get_by_role("button", name="Delete it")
    expect(yes).to_be_disabled()
    dialog.get_by_role("textbox").fill("iris")
    yes.click()
    expect(parts).to_have_url(HOME)
    assert parts_site.posted == [{"done": "POST"}]


def test_a_question_that_is_cancelled_changes_nothing(parts):
    stop = parts.get_by_role("button", name="Stop")
    stop.click()
    parts.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(parts.get_by_role("dialog")).to_have_count(0)
    stop.click()
    parts.keyboard.press("Escape")
    expect(parts.get_by_role("dialog")).to_have_count(0)
    assert parts_site.posted == []


def test_a_refusal_is_told_in_the_server_s_words(parts, watch):
    watch.allow(409)
    parts.get_by_role("button", name="Refuse").click()
    expect(parts.locator("#toasts")).to_contain_text("“iris” is being updated.")


def test_a_secret_is_not_in_the_page_until_it_is_asked_for(parts):
    assert "key-of-iris" not in parts.content()
    box = parts.locator(".secret")
    parts.get_by_role("button", name="Show Primary key").click()
    expect(box.locator("output")).to_have_text("key-of-iris")
    parts.get_by_role("button", name="Hide Primary key").click()
    expect(box.locator("output")).to_have_text("•" * 16)
    parts.get_by_role("button", name="Copy Primary key").click()
    expect(parts.locator("#announce")).to_have_text("Copied")
    assert parts.evaluate("navigator.clipboard.readText()") == "key-of-iris"


def test_a_lazy_part_that_fails_says_so_and_can_be_retried(parts, watch):
    watch.allow(503)
    parts_site.failing["lazy"] = True
    parts.reload()
    expect(parts.get_by_text("The runs could not be loaded.")).to_be_visible()
    parts_site.failing["lazy"] = False
    parts.get_by_role("button", name="Try again").click()
    expect(parts.get_by_text("Here they are.")).to_be_visible()


def test_a_log_is_put_together_line_by_line_and_filtered_by_level(parts):
    log = parts.get_by_role("log", name="Log", exact=True)
    expect(log).to_contain_text("INFO done")
    assert log.inner_text().splitlines() == parts_site.LOG.splitlines()
    parts.get_by_label("Level").select_option("error")
    assert log.inner_text().splitlines() == ["ERROR it broke", "  at line 3"]


def test_a_log_that_arrives_out_of_band_is_followed_too(parts):
    parts.get_by_role("button", name="End").click()
    expect(parts.get_by_role("log", name="Log of the operation")).to_contain_text("INFO done")


def test_a_log_that_is_lost_says_so_and_goes_on(parts, watch):
    watch.allow(503)
    parts_site.failing["log"] = True
    parts.reload()
    note = parts.get_by_text("Connection lost, trying again…")
    expect(note).to_be_visible(timeout=10_000)
    parts_site.failing["log"] = False
    expect(parts.get_by_role("log", name="Log", exact=True)).to_contain_text(
        "INFO done", timeout=15_000
    )
    expect(note).to_be_hidden()


def test_a_chart_changes_its_colours_with_the_theme(parts):
    expect(parts.locator(".chart .main-svg").first).to_be_visible()
    ink = "getComputedStyle(document.querySelector('.chart .xtick text')).fill"
    light = parts.evaluate(ink)
    parts.emulate_media(color_scheme="dark")
    expect(parts.locator("html")).to_have_attribute("data-bs-theme", "dark")
    parts.wait_for_function(f"{ink} !== '{light}'")
