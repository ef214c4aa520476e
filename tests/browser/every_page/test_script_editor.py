"""The editor of the Deploy page: it looks right, says what is wrong as one types, and uploads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect

from registry.environments.services import environment_create
from registry.scripts.folders import source_read
from tests.browser.every_page.conftest import World, open_page
from tests.browser.harness import Watch, assert_accessible, assert_fits
from tests.setup.studio_process import eventually
from workspaces.errors import Unavailable
from workspaces.tracking.store.opening import stores

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


SCORE = "import helper\n\ndef init():\n    pass\n\ndef run(mine):\n    return helper.N\n"


@pytest.fixture
def folder(editor: Page, tmp_path: Path) -> Page:
    """The editor with an uploaded folder of a script and a helper."""
    for name, text in (("score.py", SCORE), ("helper.py", "N = 1\n"), ("label.bin", b"\xff\x00")):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    files = [tmp_path / name for name in ("score.py", "helper.py", "label.bin")]
    editor.get_by_label("Upload files or one archive").set_input_files(files)
    expect(editor.locator(".ace_content")).to_contain_text("return helper.N")
    return editor


def show(page: Page, name: str, text: str) -> None:
    page.get_by_label("File in the editor").select_option(name)
    expect(page.locator(".ace_content")).to_contain_text(text)


def kept(page: Page, name: str) -> str:
    return source_read(page.locator("[data-script-source]").input_value(), name)


def test_any_text_file_of_the_folder_is_edited_and_kept(folder: Page, watch: Watch) -> None:
    before = folder.locator("[data-script-source]").input_value()
    show(folder, "helper.py", "N = 1")
    expect(folder.get_by_label("Entry script", exact=True)).to_have_value("score.py")
    expect(folder.locator("#script-problems")).to_have_text("")
    assert_fits(folder)
    assert_accessible(folder, None)
    write(folder, "N = 2\n")
    show(folder, "score.py", "return helper.N")
    expect(folder.locator("[data-script-source]")).not_to_have_value(before)
    assert (kept(folder, "helper.py"), kept(folder, "score.py")) == ("N = 2\n", SCORE)
    expect(folder.locator("#script-problems")).to_contain_text("No problem found")
    show(folder, "helper.py", "N = 2")
    watch.allow(400)
    folder.get_by_label("File in the editor").select_option("label.bin")
    expect(folder.locator("[data-script-upload]")).to_contain_text("is no UTF-8 text")
    expect(folder.get_by_label("File in the editor")).to_have_value("helper.py")


def test_deploy_takes_what_was_typed_a_moment_ago(folder: Page) -> None:
    show(folder, "helper.py", "N = 1")
    write(folder, "N = 3\n")
    with folder.expect_request("**/deploy/preflight/") as asked:
        folder.evaluate("window.htmx.trigger(document.body, 'deploy-changed')")
    sent = parse_qs(asked.value.post_data or "")
    assert source_read(sent["source"][0], "helper.py") == "N = 3\n"
    assert sent["script_text"][0].replace("\r\n", "\n") == SCORE


def test_another_entry_script_loses_no_edits(folder: Page) -> None:
    write(folder, f"{SCORE}# mine\n")
    folder.get_by_label("Entry script", exact=True).fill("helper.py")
    folder.keyboard.press("Tab")
    expect(folder.locator(".ace_content")).to_contain_text("N = 1")
    show(folder, "score.py", "# mine")
    assert kept(folder, "score.py") == f"{SCORE}# mine\n"


def test_a_template_asks_before_it_replaces_what_was_edited(folder: Page) -> None:
    write(folder, f"{SCORE}# mine\n")
    template = folder.get_by_label("Start from")
    template.select_option(label="ONNX Runtime")
    folder.get_by_role("button", name="Cancel").click()
    expect(folder.locator(".ace_content")).to_contain_text("# mine")
    template.select_option(label="ONNX Runtime")
    folder.get_by_role("button", name="Replace", exact=True).click()
    expect(folder.locator(".ace_content")).to_contain_text("onnxruntime")


def test_a_new_environment_appears_when_one_comes_back(editor: Page) -> None:
    select = editor.get_by_label("Environment", exact=True)
    select.select_option("inline")
    environment_create(name="made-meanwhile", user=None)
    editor.get_by_label("Sample input").first.fill("[1]")
    editor.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(select.locator("option[value='made-meanwhile:1']")).to_be_attached()
    expect(select).to_have_value("inline")
    expect(editor.get_by_label("Sample input").first).to_have_value("[1]")


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
