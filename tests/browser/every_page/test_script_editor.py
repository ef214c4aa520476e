"""The editor of the Deploy page: it looks right, says what is wrong as one types, and uploads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.every_page.conftest import World, open_page
from tests.browser.harness import assert_accessible, assert_fits
from tests.setup.studio_process import eventually
from workspaces.errors import Unavailable
from workspaces.tracking_stores import stores

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def editor(fill: Callable[[int], World], sign_in: Callable[..., None], admin, page: Page) -> Page:
    """The Deploy page with "Entry script" chosen and the editor loaded."""
    world = fill(1)
    assert eventually(mlflow_loaded)  # a page that finds it still loading would answer 503
    sign_in(admin)
    open_page(page, f"/deploy/?model={world.model}")
    page.get_by_label("Entry script: your init() and run()").check()
    expect(page.locator(".ace_content")).to_be_visible()
    return page


def mlflow_loaded() -> bool:
    try:
        stores()
    except Unavailable:
        return False
    return True


def write(page: Page, text: str) -> None:
    page.evaluate(
        "text => window.ace.edit(document.querySelector('[data-script-ace]')).setValue(text, 1)",
        text,
    )


def test_it_starts_with_the_echo_and_says_what_is_wrong_as_one_types(editor: Page) -> None:
    expect(editor.locator(".ace_content")).to_contain_text("def run(raw_data)")
    expect(editor.locator("#script-problems")).to_contain_text("No problem found")
    write(editor, "def init():\n    pass\n\ndef run(*data):\n    return 1\n")
    expect(editor.locator("#script-problems")).to_contain_text("Line 4: run() cannot take *args")
    expect(editor.locator(".ace_gutter-cell.ace_error")).to_have_count(1)
    assert_fits(editor)
    assert_accessible(editor, None)


def test_a_template_replaces_the_text_and_preflight_follows(editor: Page) -> None:
    editor.get_by_label("Start from").select_option(label="ONNX Runtime")
    expect(editor.locator(".ace_content")).to_contain_text("onnxruntime")
    expect(editor.locator("#preflight")).to_contain_text("The entry script has init() and run()")


def test_files_are_uploaded_and_the_script_opens(editor: Page, tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text(
        "def init():\n    pass\n\ndef run(mine):\n    return mine\n"
    )
    (tmp_path / "help.txt").write_text("x")
    files = [tmp_path / "predict.py", tmp_path / "help.txt"]
    editor.get_by_label("Upload files or one archive").set_input_files(files)
    expect(editor.get_by_label("Entry script", exact=True)).to_have_value("predict.py")
    expect(editor.locator(".ace_content")).to_contain_text("def run(mine)")
    expect(editor.locator("[data-script-upload]")).to_contain_text("help.txt")


def test_the_keyboard_gets_in_and_out(editor: Page) -> None:
    editor.locator("#id_script_folder").focus()
    for _ in range(4):
        editor.keyboard.press("Tab")
        if editor.evaluate("document.activeElement.closest('.ace_editor') !== null"):
            break
    assert editor.evaluate("document.activeElement.closest('.ace_editor') !== null")
    for _ in range(3):  # text, line numbers
        editor.keyboard.press("Tab")
    assert editor.evaluate("document.activeElement.closest('.ace_editor') === null")
