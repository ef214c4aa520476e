"""The frame of every page: theme, navigation, panel-less keyboard use, error pages."""

import re

import pytest
from django.urls import NoReverseMatch, reverse
from playwright.sync_api import Page, expect

from tests.browser.harness import assert_accessible, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def theme_of(page: Page) -> str:
    return page.evaluate("document.documentElement.dataset.bsTheme")


def test_the_theme_follows_the_system_until_a_person_chooses(page, sign_in, person):
    sign_in(person)
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    assert theme_of(page) == "dark"
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")

    page.get_by_role("button", name="Theme").click()
    page.get_by_role("menuitemradio", name="Dark").click()
    assert theme_of(page) == "dark"
    page.reload()
    assert theme_of(page) == "dark"
    page.get_by_role("button", name="Theme").click()
    expect(page.get_by_role("menuitemradio", name="Dark")).to_be_checked()


def test_the_first_tab_stop_skips_to_the_content(page, sign_in, person):
    sign_in(person)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_navigation_works_by_keyboard_and_shows_where_one_is(page, sign_in, person):
    sign_in(person)
    page.goto("/")
    navigation = page.get_by_role("navigation", name="Main")
    home = navigation.get_by_role("link", name="Home")
    expect(home).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Slipway").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        if home.evaluate("element => element === document.activeElement"):
            break
    expect(home).to_be_focused()
    outline = home.evaluate("element => getComputedStyle(element).outlineWidth")
    assert outline == "2px"


def test_the_navigation_stays_collapsed_on_the_next_page(page, sign_in, person):
    sign_in(person)
    page.goto("/")
    rail = page.get_by_role("navigation", name="Main")
    assert rail.bounding_box()["width"] == 220
    page.get_by_role("button", name="Collapse").click()
    assert rail.bounding_box()["width"] == 48
    page.reload()
    assert rail.bounding_box()["width"] == 48
    expect(rail.get_by_role("link", name="Home")).to_be_visible()  # its name is kept


def test_only_staff_sees_the_admin_group(page, sign_in, person, admin):
    sign_in(person)
    page.goto("/")
    expect(page.get_by_role("navigation", name="Main")).not_to_contain_text("Admin")
    sign_in(admin)
    page.goto("/")
    try:
        reverse("studio:admin-overview")
    except NoReverseMatch:
        pytest.skip("this studio has no admin pages yet")
    expect(page.get_by_role("navigation", name="Main")).to_contain_text("Admin")


def test_an_unknown_address_answers_a_page_with_a_way_home(page, sign_in, person, watch):
    watch.allow(404)
    sign_in(person)
    answer = page.goto("/nothing-here/")
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    look(page, "not-found")
    page.get_by_role("link", name="Go to Home").click()
    expect(page).to_have_url(re.compile(r"//[^/]+/$"))


def test_an_empty_home_says_how_to_start(page, sign_in, person):
    sign_in(person)
    page.goto("/")
    expect(page.get_by_role("heading", name="Get started")).to_be_visible()
    expect(page.get_by_text("No runs yet")).to_be_visible(timeout=30_000)
    look(page, "home-empty")


def test_the_variables_for_the_mlflow_client_can_be_copied(page, sign_in, person, base_url):
    sign_in(person)
    page.goto("/")
    page.get_by_role("button", name="Copy variables for the MLflow client").click()
    expect(page.locator("#announce")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"MLFLOW_TRACKING_URI={base_url}/mlflow" in copied


def test_a_person_signs_in_and_out(page, person):
    page.goto("/")
    expect(page).to_have_url(re.compile(r"/login/\?next=/"))
    assert_accessible(page)
    look(page, "sign-in")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    page.get_by_role("button", name="Account of ada").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login/"))
