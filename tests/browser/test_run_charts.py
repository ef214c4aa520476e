"""Charts of a run in the browser: drawn when seen, refined by zooming, live while it goes on."""

from __future__ import annotations

import dataclasses
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from mlflow import MlflowClient
from mlflow.entities import Metric
from playwright.sync_api import Page, expect

from studio.charts import histories
from tests.browser.harness import look
from tests.tracking.mlflow_store import Store, make_template

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ZOOM = """([id, low, high]) => Plotly.relayout(document.getElementById(id),
    {"xaxis.range[0]": low, "xaxis.range[1]": high})"""
START = 1_700_000_000_000


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def store(template: Path, tmp_path: Path, settings: Any) -> Store:
    histories.forget()
    shutil.copy(template, tmp_path / "mlflow.db")
    uri, artifacts = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts"
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY, tracking_uri=uri, artifact_root=str(artifacts)
    )
    return Store(uri, artifacts, MlflowClient(tracking_uri=uri, registry_uri=uri))


def log(store: Store, run_id: str, key: str, values: list[float], first: int = 0) -> None:
    for start in range(0, len(values), 1000):
        rows = enumerate(values[start : start + 1000], first + start)
        metrics = [Metric(key, value, START + 1000 * step, step) for step, value in rows]
        store.client.log_batch(run_id, metrics)


@pytest.fixture
def run_id(store: Store, sign_in: Any, person: User) -> str:
    sign_in(person)
    found = store.run(store.experiment("curves"), "a run", end="")
    log(store, found, "loss", [math.exp(-n / 900) + 0.1 * math.sin(n) for n in range(5_000)])
    log(store, found, "odd", [1.0, math.nan, 2.0, math.inf, 3.0, -1.0])
    for group in ("train", "val"):
        log(store, found, f"{group}/accuracy", [n / 40 for n in range(40)])
    for name in ("cpu_utilization_percentage", "system_memory_usage_megabytes"):
        log(store, found, f"system/{name}", [20 + n % 7 for n in range(60)])
    for number in range(12):
        log(store, found, f"layers/weight {number:02d}", [n * number for n in range(20)])
    return found


@pytest.fixture
def asked(page: Page) -> list[str]:
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    return urls


def charts(urls: list[str]) -> list[str]:
    return [url for url in urls if "/metrics/chart/" in url]


def chart_of(page: Page, key: str) -> str:
    return page.locator(f'[data-chart-metric="{key}"]').get_attribute("id") or ""


def drawn(page: Page, key: str) -> None:
    expect(page.locator(f'[data-chart-metric="{key}"] .main-svg').first).to_be_visible()


def until(page: Page, chart: str, condition: str, timeout: int = 10_000) -> None:
    """Waits for something to be true of a chart `c`."""
    script = f"id => {{ const c = document.getElementById(id); return {condition}; }}"
    page.wait_for_function(script, arg=chart, timeout=timeout)


def of(page: Page, chart: str, value: str) -> Any:
    return page.evaluate(
        f"id => {{ const c = document.getElementById(id); return {value}; }}", chart
    )


def test_only_charts_in_view_are_asked_for(page: Page, run_id: str, asked: list[str]) -> None:
    page.goto(f"/runs/{run_id}/metrics/")
    drawn(page, "loss")
    before = len(charts(asked))
    assert 2 <= before < 14
    last = page.locator('[data-chart-metric="system/cpu_utilization_percentage"]')
    last.scroll_into_view_if_needed()
    drawn(page, "system/cpu_utilization_percentage")
    assert len(charts(asked)) > before
    expect(page.get_by_role("heading", name="System metrics")).to_be_visible()
    look(page, "run-metrics")


def test_zooming_asks_for_that_stretch(page: Page, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/metrics/")
    drawn(page, "loss")
    chart = chart_of(page, "loss")
    coarse = of(page, chart, "c.data[0].x.length")
    assert coarse < 5_000
    with page.expect_response(re.compile("low=2000&high=2500")):
        page.evaluate(ZOOM, [chart, 2000, 2500])
    until(page, chart, "c.data[0].x.filter(x => x >= 2000 && x <= 2500).length === 501")
    assert of(page, chart, "c.data[0].x[0]") == 0  # the coarse line goes on outside of it
    assert of(page, chart, "c.layout.xaxis.range") == [2000, 2500]
    with page.expect_response(re.compile("/metrics/chart/")):
        page.evaluate("id => Plotly.relayout(id, {'xaxis.autorange': true})", chart)
    until(page, chart, f"c.data[0].x.length === {coarse}")


def test_the_settings_change_every_chart_and_the_address(page: Page, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/metrics/")
    drawn(page, "loss")
    chart = chart_of(page, "loss")
    page.get_by_text("Relative time").click()
    until(page, chart, "c.layout.xaxis.title.text.includes('since the start')")
    page.get_by_text("Time", exact=True).click()
    until(page, chart, "c.layout.xaxis.type === 'date'")
    with page.expect_response(re.compile("low=1700001000000&high=1700002000000")):
        page.evaluate(ZOOM, [chart, "2023-11-14 22:30:00", "2023-11-14 22:46:40"])
    page.get_by_text("Step", exact=True).first.click()
    page.get_by_label("Smoothing").fill("0.9")
    page.get_by_text("Logarithmic").click()
    page.get_by_text("Lowest and highest", exact=True).click()
    until(page, chart, "c.data.length === 4 && c.layout.yaxis.type === 'log'")
    expect(page).to_have_url(re.compile(r"smooth=0\.9&log=1&band=1$"))
    page.reload()
    drawn(page, "loss")
    assert of(page, chart, "c.data.length") == 4
    expect(page.locator("output").first).to_have_text("0.9")
    look(page, "run-metrics-smooth")


def test_new_points_appear_within_three_seconds(
    page: Page, store: Store, run_id: str, asked: list[str]
) -> None:
    page.goto(f"/runs/{run_id}/metrics/?q=val")
    drawn(page, "val/accuracy")
    chart = chart_of(page, "val/accuracy")
    with page.expect_response(re.compile("/news/")):
        pass
    log(store, run_id, "val/accuracy", [7.0], first=40)
    until(page, chart, "c.data[0].y.at(-1) === 7", timeout=3_000)
    page.evaluate(ZOOM, [chart, 0, 10])
    log(store, run_id, "val/accuracy", [8.0], first=41)
    store.client.set_terminated(run_id)
    expect(page.locator("[data-chart-ended]")).to_have_count(1, timeout=5_000)
    assert of(page, chart, "c.layout.xaxis.range") == [0, 10]  # nobody's zoom is undone
    page.evaluate("id => Plotly.relayout(id, {'xaxis.autorange': true})", chart)
    until(page, chart, "c.data[0].y.at(-1) === 8")
    asked.clear()
    page.wait_for_timeout(2_000)
    assert not [url for url in asked if "/news/" in url]


def test_a_hidden_tab_asks_for_nothing(page: Page, run_id: str, asked: list[str]) -> None:
    page.add_init_script(
        "Object.defineProperty(document, 'hidden', {get: () => window.pretend === true})"
    )
    page.goto(f"/runs/{run_id}/metrics/?q=val")
    drawn(page, "val/accuracy")
    with page.expect_response(re.compile("/news/")):
        pass
    page.evaluate("window.pretend = true")
    page.wait_for_timeout(500)
    asked.clear()
    page.wait_for_timeout(3_500)
    assert asked == []
    page.evaluate("window.pretend = false")
    with page.expect_response(re.compile("/news/")):
        pass


@pytest.mark.parametrize("kind", ["PNG", "SVG", "CSV"])
def test_a_chart_is_saved(page: Page, run_id: str, kind: str) -> None:
    page.goto(f"/runs/{run_id}/metrics/?q=odd")
    drawn(page, "odd")
    with page.expect_download() as kept:
        page.get_by_text(kind, exact=True).click()
    assert kept.value.suggested_filename.endswith(f".{kind.lower()}")
    data = Path(kept.value.path()).read_bytes()
    assert data.startswith({"PNG": b"\x89PNG", "SVG": b"<svg", "CSV": b"step,"}[kind])


def test_a_failed_question_can_be_asked_again(page: Page, run_id: str, watch: Any) -> None:
    watch.allow(503)
    page.route("**/metrics/chart/**", lambda route: route.fulfill(status=503, body="{}"))
    page.goto(f"/runs/{run_id}/metrics/?q=odd")
    expect(page.get_by_text("The history could not be read.")).to_be_visible()
    page.unroute("**/metrics/chart/**")
    page.get_by_role("button", name="Try again").click()
    drawn(page, "odd")
    expect(page.get_by_text("2 values are not numbers")).to_be_visible()
