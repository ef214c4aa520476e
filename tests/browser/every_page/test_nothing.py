"""Every page of a studio in which nothing has happened yet."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EMPTY = {
    "/": "No runs yet",
    "/experiments/": "Default",
    "/experiments/?tab=starred": "No stars yet",
    "/experiments/?tab=archived": "Nothing is archived",
    "/experiments/0/": "No runs yet",
    "/experiments/0/?stage=archived": "No archived runs",
    "/search/": "Type a part of a name",
    "/search/?q=nothing": "Nothing has “nothing” in its name",
    "/experiments/0/board/": "Nothing is pinned yet",
    "/experiments/0/leaderboard/": "What is a good run here?",
    "/experiments/0/best/": "No run has a metric yet",
    "/compare/": "No runs are chosen",
    "/models/": "No models yet",
    "/deleted-models/": "No deleted models",
    "/environments/": "Slipway-minimal",
    "/environments/Slipway-minimal/": "Not resolved yet",
    "/environments/new/": "Make environment",
    "/environments/builds/": "Nothing is built",
    "/register/": "Drop files, a folder or an archive here",
    "/experiments/0/register-best/": "No run has a metric yet",
    "/services/": "No services yet",
    "/targets/": "Compute targets",
    "/deploy/": "Which model?",
    "/tokens/": "New token",
    "/admin/overview/": "Whether every part of this studio works.",
    "/admin/operations/": "No operations yet",
    "/admin/quotas/": "No limit is set",
    "/admin/users/": "New user",
}


def test_every_page_says_what_to_do_first(store, page, visit, sign_in, admin) -> None:
    sign_in(admin)
    for path, words in EMPTY.items():
        visit(path)
        expect(page.locator("main"), path).to_contain_text(words)


def test_what_does_not_exist_is_said_on_a_page(store, page, visit, sign_in, admin, watch) -> None:
    watch.allow(404)
    sign_in(admin)
    for path in (
        "/nothing/",
        "/experiments/999/",
        f"/runs/{'0' * 32}/",
        "/models/nothing/",
        "/models/nothing/versions/1/",
        "/environments/nothing/",
        "/services/nothing/",
        "/targets/nothing/",
        f"/operations/{'0' * 8}-0000-4000-8000-{'0' * 12}/",
    ):
        visit(path)
        expect(page.get_by_role("heading", level=1), path).to_have_text("Not found")


def test_the_sign_in_page_works_for_everyone(page, visit) -> None:
    visit("/login/")
