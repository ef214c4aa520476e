"""An entry script in the browser: uploaded, with two models and packages, deployed and asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flow.pressing import CARDS, press_deploy_and_ask
from tests.flow.api import Api
from tests.flow.test_entry_script import HELPER, SCRIPT, inference
from tests.flow.test_main_job import ROW, prediction

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "target",
    ["local", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.soak])],
)
def test_a_script_with_two_models_goes_from_upload_to_an_answer(
    whole_studio: Api, signed_in: Page, tmp_path: Path, target: str
) -> None:
    page, wish, name = signed_in, inference(whole_studio), f"in-browser-{target}"
    _, model, version = whole_studio.model("good").split("/")
    (tmp_path / "score.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text(HELPER)
    page.goto(f"/deploy/?model={model}&version={version}")
    page.get_by_label("Entry script: your init() and run()").check()
    page.get_by_label("Upload files or one archive").set_input_files(
        [tmp_path / "score.py", tmp_path / "helper.py"]
    )
    expect(page.locator("[data-script-upload]")).to_contain_text("helper.py")
    expect(page.locator("#script-problems")).to_contain_text("No problem found")
    page.locator("#id_name").fill(name)
    page.get_by_label("Further models").fill(whole_studio.model("slow"))
    page.get_by_label("Environment", exact=True).select_option("inline")
    page.get_by_label("Environment as JSON").fill(json.dumps(wish["environment"]))
    page.get_by_label("Sample input").fill(json.dumps({"data": ROW}))
    page.get_by_text(CARDS[target], exact=True).click()
    expect(page.locator("#preflight")).to_contain_text("The entry script has init() and run()")
    answer = press_deploy_and_ask(page, holds="quick")
    assert answer["good"] == pytest.approx([prediction()], rel=1e-9)
    assert answer["slow"] == pytest.approx([ROW[0][2] * 2])
    page.goto(f"/services/{name}/settings/")
    expect(page.locator("main")).to_contain_text("helper.py")
    whole_studio.gone(name)
