"""From a run's page to a scored answer in six clicks, then the life of the service after it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.flow.conftest import Hands, TrainedRun
from tests.browser.flow.pressing import deploy_and_ask, service_of
from tests.browser.harness import Watch

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.timeout(600)]

NUMBER = re.compile(r"-?\d+\.\d+")


def deploy_and_send(page: Page, target: str, hands: Hands, trained: TrainedRun) -> str:
    """The six clicks. Returns the service's name; the browser is left on its Test tab."""
    page.goto(f"/runs/{trained.run_id}/")
    page.get_by_role("button", name="Register model").click()
    page.get_by_role("dialog").get_by_role("button", name="Register", exact=True).click()
    page.get_by_role("link", name="Deploy").click()
    answer = deploy_and_ask(page, target)
    assert (hands.clicks, hands.keys) == (6, 0)
    assert answer["predictions"] == pytest.approx(trained.answer)
    return service_of(page)


def tab(page: Page, name: str) -> Locator:
    return page.get_by_role("navigation", name="Sections of the service").get_by_role(
        "link", name=name
    )


@pytest.mark.parametrize(
    "target", ["local", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.soak])]
)
def test_six_clicks_lead_from_a_run_to_an_answer(
    target: str, signed_in: Page, hands: Hands, trained: dict[str, TrainedRun], tmp_path: Path
) -> None:
    page = signed_in
    name = deploy_and_send(page, target, hands, trained[target])
    key, uri = the_key_can_be_shown_and_copied(page, name)
    the_shown_programs_get_the_same_answer(page, name, key, trained[target].answer, tmp_path)
    body = {"inputs": [[0.0]]}
    assert status_of(uri, body, key="") == 401
    stop_and_start(page, name, uri, key)
    delete(page, name, uri, key)


def the_key_can_be_shown_and_copied(page: Page, name: str) -> tuple[str, str]:
    tab(page, "Overview").click()
    expect(page.locator("main")).to_contain_text("Healthy")
    keys = page.get_by_role("status", name="Primary key")
    expect(keys).to_have_text(re.compile("^•+$"))
    page.get_by_role("button", name="Show Primary key").click()
    expect(keys).not_to_have_text(re.compile("•"))
    key = keys.inner_text()
    page.get_by_role("button", name="Copy Primary key").click()
    expect(page.locator("#announce")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.get_by_role("button", name="Copy Scoring URI").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('http')")
    uri = page.evaluate("navigator.clipboard.readText()")
    assert uri.endswith(f"/api/v1/service/{name}/score")
    return key, uri


def the_shown_programs_get_the_same_answer(
    page: Page, name: str, key: str, answer: list[float], folder: Path
) -> None:
    """The texts of the Consume tab, as they stand there, run by curl, Python and Node."""
    tab(page, "Consume").click()
    expect(page.locator("#code-curl")).not_to_contain_text(key)
    page.get_by_role("button", name="Insert the key").click()
    expect(page.locator("#code-curl")).to_contain_text(key)
    node = shutil.which("node")
    assert node, "node is missing: apt-get install nodejs"
    for language, label, command in (
        ("curl", "curl", ["sh"]),
        ("python", "Python", [sys.executable]),
        ("javascript", "JavaScript", [node]),
    ):
        page.get_by_role("tab", name=label).click()
        code = page.locator(f"#code-{language}")
        expect(code).to_be_visible()
        file = folder / f"score.{'mjs' if language == 'javascript' else language}"
        file.write_text(code.inner_text(), "utf-8")
        done = subprocess.run(
            [*command, str(file)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "predictions" in done.stdout
        found = [float(number) for number in NUMBER.findall(done.stdout)]
        assert found == pytest.approx(answer), done.stdout


def stop_and_start(page: Page, name: str, uri: str, key: str) -> None:
    state = page.locator("#service-state")
    tab(page, "Overview").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog", name="Stop").get_by_role("button", name="Stop").click()
    expect(state).to_contain_text("Stopped", timeout=60_000)
    assert status_of(uri, {}, key) == 503
    page.get_by_role("button", name="Start", exact=True).click()
    expect(state).to_contain_text("Healthy", timeout=120_000)


def delete(page: Page, name: str, uri: str, key: str) -> None:
    page.goto(f"/services/{name}/")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete")
    expect(dialog).to_contain_text(name)
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#service-state")).to_contain_text("Healthy")
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/services/", timeout=60_000)
    expect(page.locator("#toasts")).to_contain_text(f"The service {name} is being deleted.")
    row = page.locator("main").get_by_role("link", name=name, exact=True)
    expect(row).to_have_count(0, timeout=60_000)
    assert status_of(uri, {}, key) == 404


def status_of(uri: str, body: dict[str, Any], key: str) -> int:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(uri, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_mlflows_own_ui_opens_from_a_run(
    signed_in: Page, trained: dict[str, TrainedRun], watch: Watch
) -> None:
    watch.allow(404)  # its assistant, gateway and jobs, which the proxy refuses on purpose
    run_id = trained["local"].run_id
    signed_in.goto(f"/runs/{run_id}/")
    with signed_in.expect_popup() as opened:
        signed_in.get_by_role("link", name="Open in MLflow").click()
    expect(opened.value.get_by_text(run_id).first).to_be_visible(timeout=60_000)
