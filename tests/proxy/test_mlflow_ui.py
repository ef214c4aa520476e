"""MLflow's own UI in Chromium, through the proxy and under its policy."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.engines import chromium
from tests.proxy.conftest import Web

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
TIMEOUT_MS = 60_000
# refused on purpose (or unknown to MLflow itself without its own sign-in); the UI goes on without
REFUSED = ("/ui-telemetry", "/users/current", "/gateway", "/assistant/")


@pytest.fixture
def run(web: Web, bearer: dict[str, str]) -> dict[str, str]:
    """A run with a metric, an artifact and a registered model."""
    api = "/mlflow/api/2.0/mlflow"

    def post(path: str, body: dict[str, Any]) -> Any:
        return web.ask(f"{api}/{path}", "POST", json=body, headers=bearer).json()

    made = post("runs/create", {"experiment_id": "0", "run_name": "nice-run"})["run"]["info"]
    run_id = made["run_id"]
    for step in range(3):
        metric = {"run_id": run_id, "key": "loss", "value": step, "timestamp": 1, "step": step}
        post("runs/log-metric", metric)
    path = f"/mlflow/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/note.txt"
    assert web.ask(path, "PUT", data=b"hello note", headers=bearer).status_code == 200
    post("registered-models/create", {"name": "ui-model"})
    return {"run_id": run_id}


@pytest.fixture
def page(web: Web, cookie: dict[str, str], run: dict[str, str]) -> Iterator[Page]:
    name, value = cookie["Cookie"].split("=", 1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context()
        context.add_cookies([{"name": name, "value": value, "url": web.url}])
        yield context.new_page()
        browser.close()


def test_it_shows_runs_and_breaks_no_rule(web: Web, page: Page, run: dict[str, str]) -> None:
    said: list[str] = []
    asked: list[str] = []
    refused: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "response",
        lambda answer: answer.status >= 400 and refused.append(f"{answer.status} {answer.url}"),
    )
    page.set_default_timeout(TIMEOUT_MS)
    for path, words in (
        (f"#/experiments/0/runs/{run['run_id']}", "nice-run"),
        (f"#/experiments/0/runs/{run['run_id']}/model-metrics", "loss"),
        (f"#/experiments/0/runs/{run['run_id']}/artifacts/note.txt", "hello note"),
        ("#/models", "ui-model"),
        ("#/experiments/0/runs", "nice-run"),
    ):
        page.goto(f"{web.url}/mlflow/{path}")
        expect(page.get_by_text(words).first).to_be_visible(timeout=TIMEOUT_MS)
    assert not [text for text in said if "Content Security Policy" in text]
    hosts = {urlsplit(url).netloc for url in asked if url.startswith("http")}
    assert hosts == {urlsplit(web.url).netloc}
    assert [line for line in refused if not any(word in line for word in REFUSED)] == []
