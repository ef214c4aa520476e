"""Finding runs in Chromium: filter and completion, saved views, ticked runs, tree, search."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.harness import assert_accessible, look
from tests.mlflow_pages import mlflow_template as mlflow_template
from tests.mlflow_pages import store as store
from tests.tracking.mlflow_store import Store

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NESTED = "mlflow.parentRunId"


@pytest.fixture
def experiment(store: Store) -> str:
    """Three runs with odd names and a wide choice of columns."""
    found = store.experiment("diabetes")
    for number, model in enumerate(("Ridge", "Lasso", "it's")):
        store.run(
            found,
            f"run <b>{number}</b>",
            metrics={"rmse": 55.0 + number, "val loss": 1.0 / (number + 1)},
            params={"model": model},
        )
    return found


def rows(page: Page) -> Any:
    return page.locator("#runs tbody tr:visible")


def test_a_filter_is_completed_corrected_and_taken_away_again(
    page, sign_in, person, experiment, watch
):
    watch.allow(422)
    sign_in(person)
    page.goto(f"/experiments/{experiment}/")
    box = page.get_by_label("Filter in MLflow's syntax")
    box.press_sequentially("metrics.")
    offers = page.locator("#completions [role=option]")
    expect(offers).to_have_text([re.compile("rmse"), re.compile("val loss")])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert_accessible(page)
    page.keyboard.press("Enter")
    expect(box).to_have_value("metrics.`val loss` ")
    expect(offers.first).to_have_text(re.compile(">"))
    box.press_sequentially("> 'x'")
    page.keyboard.press("Enter")

    expect(page.locator(".filter-echo mark")).to_have_text("'x'")
    expect(box).to_be_focused()
    assert box.evaluate("box => box.value.slice(box.selectionStart, box.selectionEnd)") == "'x'"
    look(page, "filter-wrong")
    page.keyboard.type("0.4")
    page.keyboard.press("Enter")

    expect(rows(page)).to_have_count(2)
    expect(page).to_have_url(re.compile("filter=metrics"))
    pill = page.locator(".filter-pill")
    expect(pill).to_have_text("metrics.val loss: > 0.4")
    page.get_by_role("button", name="Add filter").click()
    adding = page.locator("#add-filter")
    adding.get_by_label("What").select_option("params")
    adding.get_by_label("Name").fill("model")
    adding.get_by_label("Comparison").select_option("=")
    adding.get_by_label("Value").fill("Ridge")
    assert_accessible(page)
    adding.get_by_role("button", name="Add").click()
    expect(rows(page)).to_have_count(1)
    expect(pill).to_have_count(2)
    look(page, "filter-pills")
    page.get_by_role("link", name="Remove the filter metrics.val loss").click()
    expect(pill).to_have_count(1)
    page.go_back()
    expect(page.locator(".filter-pill")).to_have_count(2)
    page.get_by_role("link", name="Clear all").click()
    expect(rows(page)).to_have_count(3)


def test_columns_and_density_are_chosen_and_the_list_is_saved_as_a_view(
    page, sign_in, person, experiment
):
    sign_in(person)
    page.goto(f"/experiments/{experiment}/")
    page.get_by_role("button", name="Columns").click()
    chooser = page.locator("#columns")
    chooser.get_by_label("Search all names").press_sequentially("val")
    choice = chooser.locator("#column-choices")
    expect(choice).not_to_contain_text("rmse")
    for label in ("Duration", "User", "rmse"):
        chooser.get_by_label(label, exact=True).uncheck()
    look(page, "column-chooser")
    chooser.get_by_role("button", name="Show these").click()
    heads = page.locator("#runs thead")
    expect(heads).not_to_contain_text("rmse")
    expect(heads).to_contain_text("val loss")
    heads.get_by_role("link", name="val loss").click()
    expect(page).to_have_url(re.compile("sort=metrics"))
    page.get_by_role("link", name="Lower rows").click()
    expect(page.locator("#runs table.compact")).to_be_visible()

    page.get_by_role("button", name="Views").click()
    views = page.locator("#saved-views")
    views.get_by_label("Save this list as").fill("by <b>loss</b>")
    views.get_by_label("Share it with everyone").check()
    views.get_by_role("button", name="Save view").click()
    expect(page.get_by_text("was saved")).to_be_visible()
    page.goto(f"/experiments/{experiment}/?reset=1&density=comfortable")
    expect(page.locator("#runs thead")).to_contain_text("rmse")
    page.get_by_role("button", name="Views").click()
    look(page, "saved-views")
    page.get_by_label("Rename or share “by <b>loss</b>”").click()
    page.get_by_label("Name of the view").fill("low <b>loss</b>")
    look(page, "saved-views-menu")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("The view “low <b>loss</b>” was changed")).to_be_visible()
    expect(page.locator("#runs thead")).not_to_contain_text("rmse")
    expect(page.locator("#runs table.compact")).to_be_visible()
    page.get_by_role("button", name="low <b>loss</b>").click()
    page.locator("#saved-views").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("was deleted")).to_be_visible()


def test_ticked_runs_are_counted_tagged_and_archived(page, sign_in, person, experiment, store):
    sign_in(person)
    page.goto(f"/experiments/{experiment}/")
    archive = page.get_by_role("button", name="Archive runs")
    expect(archive).to_be_disabled()
    page.get_by_label("Tick all runs of this page").check()
    expect(page.get_by_text("3 runs ticked")).to_be_visible()
    page.get_by_label("Tick run <b>0</b>").uncheck()
    expect(page.get_by_text("2 runs ticked")).to_be_visible()
    page.get_by_role("button", name="Tag", exact=True).click()
    tagging = page.locator("#bulk-tag")
    tagging.get_by_label("Key").fill("stage")
    tagging.get_by_label("Value").fill("good")
    look(page, "tag-runs")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 runs were tagged")).to_be_visible()
    found = store.client.search_runs([experiment], "tags.stage = 'good'")
    assert len(found) == 2

    page.get_by_label("Tick run <b>2</b>").check()
    page.get_by_role("button", name="Archive runs").click()
    page.locator("#confirm").get_by_role("button", name="Archive").click()
    expect(page.get_by_text("1 run was archived")).to_be_visible()
    expect(rows(page)).to_have_count(2)
    page.get_by_role("link", name="Archived runs").click()
    page.get_by_label("Tick run <b>2</b>").check()
    page.get_by_role("button", name="Restore runs").click()
    expect(page.get_by_text("1 run was restored")).to_be_visible()


def test_nested_runs_open_and_running_rows_follow(page, sign_in, person, store):
    experiment = store.experiment("nested")
    parent = store.run(experiment, "parent", end="", metrics={"rmse": 3.0})
    for number in range(2):
        store.run(experiment, f"child {number}", tags={NESTED: parent}, metrics={"rmse": 1.0})
    sign_in(person)
    page.goto(f"/experiments/{experiment}/")
    expect(rows(page)).to_have_count(1)
    expander = page.get_by_role("button", name="Runs below parent")
    expander.focus()
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(3)
    expect(expander).to_have_attribute("aria-expanded", "true")
    look(page, "nested-runs")
    expander.click()
    expect(rows(page)).to_have_count(1)
    expander.click()
    expect(rows(page)).to_have_count(3)

    page.get_by_label("Tick parent").check()
    page.get_by_label("Tick child 1").check()
    store.client.log_metric(parent, "rmse", 0.125)
    row = page.locator(f"#row-{parent}")
    expect(row).to_contain_text("0.125", timeout=15_000)
    expect(page.get_by_label("Tick parent")).to_be_checked()
    expect(page.get_by_text("2 runs ticked")).to_be_visible()
    store.client.set_terminated(parent)
    expect(row).to_contain_text("Finished", timeout=15_000)
    expect(page.locator(".live-poll[hx-trigger]")).to_have_count(0)
    expect(rows(page)).to_have_count(3)
    expander.click()
    expect(rows(page)).to_have_count(1)


def test_experiments_are_starred_described_and_archived(page, sign_in, person, experiment):
    sign_in(person)
    page.goto("/experiments/")
    row = page.get_by_role("row").filter(has_text="diabetes")
    row.get_by_role("button", name="Star this experiment").click()
    expect(row.get_by_role("button", name="Remove the star")).to_be_visible()
    page.get_by_role("link", name="Starred").click()
    expect(page.locator("#experiments tbody tr")).to_have_count(1)
    page.get_by_role("link", name="diabetes").click()
    page.get_by_text("Description and tags").click()
    page.get_by_role("link", name="Edit description").click()
    page.get_by_label("Description, in Markdown").fill("# Why\n\nPredict the **progression**.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Why")).to_be_visible()
    about = page.locator("#about")
    about.get_by_label("Key of the tag").fill("team")
    about.get_by_label("Value of the tag").fill("<b>red</b>")
    about.get_by_role("button", name="Set tag").click()
    expect(about.locator(".chip")).to_have_text("team: <b>red</b>")
    look(page, "experiment-described")
    page.goto("/experiments/")
    look(page, "experiments-list")
    row = page.get_by_role("row").filter(has_text="diabetes")
    row.get_by_role("link", name="team: <b>red</b>").click()
    expect(page.locator("#experiments tbody tr")).to_have_count(1)
    page.get_by_role("row").filter(has_text="diabetes").hover()
    page.get_by_role("button", name="Archive diabetes").click()
    page.locator("#confirm").get_by_role("button", name="Archive").click()
    expect(page.get_by_text("was archived")).to_be_visible()
    page.goto("/experiments/?tab=archived")
    page.get_by_role("button", name="Restore diabetes").click()
    expect(page.get_by_text("was restored")).to_be_visible()


def test_a_list_is_taken_to_a_file_and_to_a_notebook(page, sign_in, person, experiment):
    sign_in(person)
    page.goto(f"/experiments/{experiment}/?filter=metrics.rmse < 57")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as started:
        page.locator("#export").get_by_role("link", name="CSV").click()
    file = started.value
    assert file.suggested_filename == "diabetes.csv"
    assert len(Path(file.path()).read_text().splitlines()) == 3
    page.locator("#export").get_by_role("link", name="Notebook snippet").click()
    expect(page.get_by_role("dialog").locator("#view-snippet")).to_contain_text("search_runs")
    look(page, "notebook-snippet")


def test_the_search_opens_by_key_and_is_walked_by_arrows(page, sign_in, person, experiment):
    sign_in(person)
    page.goto("/services/")
    page.keyboard.press("/")
    dialog = page.locator("#search-dialog")
    expect(dialog).to_be_visible()
    page.keyboard.type("diab")
    expect(dialog.get_by_role("link", name="diabetes")).to_be_visible(timeout=20_000)
    look(page, "search-dialog")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    page.keyboard.press("Control+k")
    dialog.get_by_role("searchbox").fill("run")
    expect(dialog.locator(".search-hit")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(dialog.locator(".search-hit").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(dialog.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/runs/"))
    page.goto("/search/?q=diab")
    look(page, "search-page")
    box = page.locator("main").get_by_role("searchbox")
    box.fill("a/b")
    box.press("/")  # a slash that is typed is a slash
    expect(page.locator("#search-dialog")).not_to_be_visible()
