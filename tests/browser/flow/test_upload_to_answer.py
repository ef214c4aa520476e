"""Files that a person uploads in the browser, registered, deployed and asked there."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flow.pressing import deploy_and_ask, service_of
from tests.flow.api import Api
from tests.flow.test_upload import KINDS
from tests.registry.made import Made
from tests.registry.test_uploaded_is_served import answers, question

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.timeout(600)]
CASES = [
    ("onnx", "local"),
    *(pytest.param(kind, "local", marks=pytest.mark.soak) for kind in KINDS if kind != "onnx"),
    *(pytest.param(kind, "docker", marks=[pytest.mark.docker, pytest.mark.soak]) for kind in KINDS),
]


def choose(page: Page, model: Made, folder: Path) -> None:
    """Give the page the file, or the folder that was in the zip."""
    if model.file_name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(model.content)) as archive:
            archive.extractall(folder)
        page.set_input_files("#id_folder", folder / "model")
    else:
        (folder / model.file_name).write_bytes(model.content)
        page.set_input_files("#id_files", folder / model.file_name)


@pytest.mark.parametrize(("kind", "target"), CASES)
def test_an_uploaded_model_is_registered_deployed_and_answers(
    whole_studio: Api, signed_in: Page, tmp_path: Path, kind: str, target: str
) -> None:
    page, model = signed_in, KINDS[kind]()
    name = f"by-hand-{kind}-{target}"
    page.goto("/register/")
    choose(page, model, tmp_path)
    page.get_by_label("Name", exact=True).fill(name)
    if kind != "mlflow-folder":  # that one brings its own
        sample = question(kind, model.rows.head(2))
        page.get_by_label("Sample input").fill(json.dumps(sample))
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Deploy", exact=True).click()
    found = answers(deploy_and_ask(page, target))
    assert found == pytest.approx(model.answers[:1], rel=1e-5)  # the form there is of one row
    whole_studio.gone(service_of(page))
