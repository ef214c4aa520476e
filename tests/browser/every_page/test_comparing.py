"""Comparing runs, boards and leaderboards, as a person uses them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from playwright.sync_api import Page, expect

from studio.comparing import boards
from studio.comparing.best import best_choose
from studio.comparing.settings import KINDS, settings_parse
from tests.browser.every_page.conftest import LOADING, World, open_page
from tests.browser.harness import CHARTS_FIT

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
EXPERIMENT = "100"


@pytest.fixture
def world(fill: Callable[[int], World], sign_in: Any, admin: User) -> World:
    sign_in(admin)
    return fill(8)


@pytest.fixture
def client(store: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{store}", f"sqlite:///{store}")


@pytest.fixture
def runs(world: World, client: MlflowClient) -> list[str]:
    """Eight runs that differ, each with a curve."""
    found = [run.info.run_id for run in client.search_runs([EXPERIMENT])]
    for number, run_id in enumerate(found):
        metrics = [Metric("rmse", 9 - number + 5 / step, 1000 * step, step) for step in (1, 2, 3)]
        params = [Param("alpha", str(number / 10)), Param("depth", str(number % 3))]
        client.log_batch(run_id, metrics, [*params, Param("kind", "ab"[number % 2])])
    return found


# pairs of words in the charts that lie on each other
OVERLAPS = """() => [...document.querySelectorAll(".chart")].flatMap((chart) => {
  const words = [...chart.querySelectorAll(".legendtext, .xtitle")];
  const boxes = words.map((word) => [word.textContent, word.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], place) => boxes.slice(place + 1).filter(([, b]) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3
  ).map(([other]) => `${one} × ${other}`));
})"""


def compare(runs: list[str], **more: str) -> str:
    pairs = [f"run={run_id}" for run_id in runs]
    return "/compare/?" + "&".join([*pairs, *(f"{key}={value}" for key, value in more.items())])


def test_the_table_shows_differences_until_all_is_asked_for(
    runs: list[str], page: Page, visit: Callable[[str], None]
) -> None:
    visit(compare(runs))
    names = page.locator(".compare-table tbody th")
    few = names.count()
    expect(names.filter(has_text="rmse")).to_have_count(1)
    assert page.locator(".compare-table td.best").count() >= 1
    page.get_by_role("navigation", name="Rows").get_by_text("All", exact=True).click()
    expect(page).to_have_url(re.compile(r"rows=all"))
    assert names.count() > few
    page.get_by_label("Find a name").fill("alph")
    expect(names).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=alph"))


def test_every_kind_of_chart_draws_and_keeps_its_settings_in_the_address(
    runs: list[str], page: Page, visit: Callable[[str], None]
) -> None:
    for kind in KINDS:
        open_page(page, compare(runs, chart=kind, metric="rmse"))
        expect(page.locator(".chart .main-svg").first).to_be_visible()
        page.wait_for_function(CHARTS_FIT)
        expect(page.get_by_role("link", name=str(KINDS[kind]), exact=True)).to_have_attribute(
            "aria-current", "page"
        )
    visit(compare(runs, chart="parallel"))
    page.get_by_label("Colour", exact=True).select_option("metrics.rmse")
    expect(page).to_have_url(re.compile(r"colour=metrics\.rmse"))
    expect(page.locator(".chart .main-svg").first).to_be_visible()


def test_dragging_along_an_axis_keeps_some_runs(runs: list[str], page: Page) -> None:
    open_page(page, compare(runs, chart="parallel", dim="params.alpha") + "&dim=metrics.rmse")
    box = page.locator(".chart .nsewdrag").first.bounding_box()
    assert box
    left = box["x"] + box["width"] * 0.25 / 1.5  # the first axis
    page.mouse.move(left - 20, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(left + 20, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"keep="))
    expect(page.get_by_text("4 of 8 runs are within")).to_be_visible()
    page.get_by_role("link", name="Clear the bounds").click()
    expect(page).to_have_url(re.compile(r"^(?!.*keep=)"))


def test_a_chart_is_saved_as_picture_vector_and_numbers(
    runs: list[str], page: Page, tmp_path: Path
) -> None:
    open_page(page, compare(runs, chart="scatter"))
    starts = {"PNG": b"\x89PNG", "SVG": b"<svg", "CSV": b"run_id,"}
    for label, start in starts.items():
        role = "link" if label == "CSV" else "button"
        with page.expect_download() as download:
            page.get_by_role(role, name=label, exact=True).click()
        file = tmp_path / label
        download.value.save_as(file)
        assert file.read_bytes().startswith(start), label
        assert download.value.suggested_filename.endswith(label.lower())


def test_a_pinned_chart_follows_a_run_that_is_going(
    runs: list[str], client: MlflowClient, page: Page, visit: Callable[[str], None]
) -> None:
    going = client.create_run(EXPERIMENT, run_name="going").info.run_id
    client.log_metric(going, "rmse", 3.0, step=1)
    open_page(page, compare([*runs[:2], going], chart="curves", metric="rmse"))
    page.get_by_role("button", name="Pin to board").click()
    page.get_by_label("Title").fill("How it goes")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_text("Pinned to the board: How it goes")).to_be_visible()
    page.get_by_role("link", name="Board", exact=True).click()
    expect(page.locator(".chart .main-svg").first).to_be_visible()
    drawn = "count => document.querySelector('.chart').data.at(-1).y.length === count"
    assert page.evaluate(drawn, 1)
    client.log_metric(going, "rmse", 2.0, step=2)
    page.wait_for_function(drawn, arg=2, timeout=8_000)
    client.set_terminated(going)
    page.wait_for_function("() => !document.querySelector('[data-live]')", timeout=8_000)
    visit(f"/experiments/{EXPERIMENT}/board/")


def test_the_names_in_a_legend_lie_beside_each_other_and_below_the_chart(
    runs: list[str], page: Page, client: MlflowClient, admin: User
) -> None:
    for number, run_id in enumerate(runs):
        client.update_run(run_id, name=f"a name of twenty-{number}")
    scatter = {"chart": "scatter", "x": "params.alpha", "y": "metrics.rmse"}
    shown = ({"chart": "curves", "metric": "rmse"}, {**scatter, "colour": "params.kind"})
    for settings in shown:
        boards.pin_add(
            experiment_id=EXPERIMENT,
            settings=settings_parse({key: [value] for key, value in settings.items()}),
            run_ids=runs,
            title=settings["chart"],
            user=admin,
        )
    for path in (*(compare(runs, **settings) for settings in shown), "/experiments/100/board/"):
        open_page(page, path)
        expect(page.locator(".chart .legendtext").first).to_be_visible()
        assert page.evaluate(OVERLAPS) == []
        page.wait_for_function(CHARTS_FIT)


def test_the_board_is_arranged(runs: list[str], page: Page, admin: User) -> None:
    for kind in ("scatter", "box"):
        boards.pin_add(
            experiment_id=EXPERIMENT,
            settings=settings_parse({"chart": [kind]}),
            run_ids=runs,
            title=f"The {kind}",
            user=admin,
        )
    open_page(page, f"/experiments/{EXPERIMENT}/board/")
    titles = page.locator(".pin h2")
    expect(titles).to_have_text(["The scatter", "The box"])
    page.get_by_role("button", name="Move The box towards the start").click()
    expect(titles).to_have_text(["The box", "The scatter"])
    page.get_by_label("Width of The box").select_option("3")
    expect(page.locator(".pin.size-3 h2")).to_have_text("The box")
    page.get_by_role("button", name="Rename The box").click()
    page.get_by_label("Title").fill("By kind")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(titles).to_have_text(["By kind", "The scatter"])
    page.get_by_role("button", name="Remove The scatter").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(titles).to_have_text(["By kind"])


def test_from_the_choice_of_what_is_best_to_the_deploy_page(
    runs: list[str], world: World, client: MlflowClient, page: Page, visit: Callable[[str], None]
) -> None:
    version = client.search_model_versions(f"name = '{world.model}'")[0]
    client.log_metric(version.run_id, "rmse", 0.5, step=9)
    client.set_registered_model_alias(world.model, "champion", version.version)
    open_page(page, f"/experiments/{EXPERIMENT}/")
    page.get_by_role("link", name="Leaderboard").click()
    page.get_by_role("button", name="Choose what is best").first.click()
    page.get_by_label("Metric").select_option("rmse")
    page.get_by_label("Best is").select_option("min")
    page.get_by_role("button", name="Choose", exact=True).click()
    first = page.locator("tbody tr").first
    expect(first.get_by_text("Champion")).to_be_visible()
    visit(f"/experiments/{EXPERIMENT}/leaderboard/")
    first.get_by_role("link", name="Deploy").click()
    expect(page).to_have_url(re.compile(rf"/deploy/\?model={world.model}"))
    expect(page.locator("#deploy-form")).to_be_visible()
    expect(page.locator(LOADING)).to_have_count(0, timeout=20_000)


def test_the_best_choice_is_what_register_best_run_offers(
    runs: list[str], page: Page, admin: User
) -> None:
    best_choose(experiment_id=EXPERIMENT, metric="rmse", mode="min", user=admin)
    open_page(page, f"/experiments/{EXPERIMENT}/")
    page.get_by_role("button", name="Register best run").click()
    panel = page.locator("#panel")
    expect(panel.get_by_label("Metric")).to_have_value("rmse")
    expect(panel.get_by_label("Best is")).to_have_value("min")
