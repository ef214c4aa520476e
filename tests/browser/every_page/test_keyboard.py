"""Everything that a mouse can do on a page can be done with the keyboard alone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from deployments.models import Service
from tests.browser.every_page import crowd
from tests.browser.every_page.conftest import World, open_page
from tests.browser.every_page.crowd_environments import LONGEST

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FEW = 8
# every control of the page that shows; of a group of radio buttons or tabs, one is a tab stop
MARK_CONTROLS = """() => {
  const controls = [...document.querySelectorAll(
    "main :is(a[href], button:not([disabled]), input:not([type=hidden], [disabled]), select, "
    + "textarea, summary)")].filter((item) =>
      item.tabIndex >= 0 && item.checkVisibility({visibilityProperty: true})
      && !(item.type === "radio" && !item.checked));
  controls.forEach((item, index) => { item.dataset.stop = index; });
  return controls.map((item) => item.outerHTML.slice(0, 120));
}"""
FOCUSED = """() => {
  const item = document.activeElement;
  const style = getComputedStyle(item);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  const seen = ring || style.boxShadow !== "none";
  return [item.dataset.stop ?? "", seen, item.outerHTML.slice(0, 120)];
}"""
# a list that is drawn anew meanwhile loses the marks
NO_POLLS = """addEventListener("htmx:beforeRequest", (event) => {
  if ((event.detail.elt.getAttribute("hx-trigger") ?? "").includes("every")) event.preventDefault();
}, true)"""


@pytest.fixture
def world(fill: Callable[[int], World], sign_in, admin) -> World:
    sign_in(admin)
    return fill(FEW)


def assert_all_reached(page: Page) -> None:
    """Tab goes to every control of the page's main part, and each shows that it has the focus."""
    for _again in range(3):
        missed = missed_by_tab(page)
        # a part that loaded meanwhile took its marked controls away: they are looked for anew
        if all(page.locator(f'[data-stop="{stop}"]').count() for stop in missed):
            break
    assert not missed, f"{page.url}: Tab does not reach\n" + "\n".join(missed.values())


def missed_by_tab(page: Page) -> dict[int, str]:
    """Controls by their mark that Tab did not come to in one round."""
    controls = page.evaluate(MARK_CONTROLS)
    left = dict(enumerate(controls))
    for _press in range(len(controls) + 40):  # the frame has stops too
        page.keyboard.press("Tab")
        stop, is_seen, html = page.evaluate(FOCUSED)
        if stop:
            left.pop(int(stop), None)
            assert is_seen, f"{page.url}: the focus is not seen on {html}"
        if not left:
            break
    return left


def test_tab_reaches_every_control(page, world) -> None:
    failed = crowd.name_of(4)
    page.add_init_script(NO_POLLS)
    for path in (
        "/",
        "/experiments/",
        "/experiments/100/",
        f"/runs/{world.run_id}/",
        f"/runs/{world.run_id}/artifacts/",
        "/models/",
        f"/models/{world.model}/",
        f"/models/{world.model}/details/",
        "/register/",
        f"/models/{world.model}/compare/",
        f"/models/{world.model}/versions/1/",
        f"/deploy/?model={world.model}&version=1",
        "/environments/",
        f"/environments/{LONGEST}/",
        "/environments/new/",
        "/services/",
        f"/services/{failed}/",
        f"/services/{failed}/test/",
        f"/services/{failed}/consume/",
        f"/services/{failed}/logs/",
        f"/services/{failed}/settings/",
        "/targets/local/",
        "/admin/overview/",
        "/admin/operations/",
        "/admin/quotas/",
        "/admin/users/",
        "/tokens/",
    ):
        open_page(page, path)
        assert_all_reached(page)


def test_a_list_that_is_drawn_anew_keeps_the_focus(page, world) -> None:
    open_page(page, "/admin/operations/")
    chosen = page.locator("#operation-rows").get_by_role("link", name=crowd.name_of(4))
    chosen.focus()
    chosen.evaluate("item => { item.isOld = true; }")
    page.wait_for_function("() => document.querySelector('#operation-rows').contains("
                           "document.activeElement) && !document.activeElement.isOld")  # fmt: skip
    expect(chosen).to_be_focused()


def test_enter_opens_the_panel_and_escape_closes_it(page, world) -> None:
    open_page(page, f"/runs/{world.run_id}/")
    register = page.get_by_role("button", name="Register model")
    register.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="Register model")
    expect(panel.get_by_label("Name", exact=True)).to_be_focused()
    for _press in range(12):  # the focus stays in the panel
        page.keyboard.press("Tab")
        assert page.evaluate(
            "() => document.activeElement === document.body"
            " || document.getElementById('panel').contains(document.activeElement)"
        )
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(register).to_be_focused()


def test_a_question_is_answered_by_keyboard_and_escape_means_no(page, world) -> None:
    name = crowd.name_of(0)
    open_page(page, f"/services/{name}/")
    button = page.get_by_role("button", name="Delete")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    assert Service.objects.get(name=name).desired == "running"

    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text(f"The service {name} is being deleted.")
    assert Service.objects.get(name=name).desired == "deleted"


def test_a_target_is_chosen_with_the_arrows(page, world) -> None:
    open_page(page, f"/deploy/?model={world.model}&version=1")
    local = page.get_by_role("radio", name="Local process")
    local.focus()
    page.keyboard.press("Space")
    expect(local).to_be_checked()
    expect(page.locator("#preflight")).to_contain_text("The name is free.")


def test_the_languages_of_consume_follow_the_arrows(page, world) -> None:
    open_page(page, f"/services/{crowd.name_of(0)}/consume/")
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.locator("#code-python")).to_be_visible()
    expect(page.locator("#code-curl")).to_be_hidden()
