"""Artifacts of a run in the browser: the tree, previews by kind, images over steps, tags, notes."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shutil
import struct
import wave
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from mlflow import MlflowClient
from playwright.sync_api import Page, expect

from tests.browser.harness import look
from tests.tracking.mlflow_store import Store, make_template

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
LENGTH = """audio => audio.readyState > 0 ? audio.duration : new Promise((done) =>
    audio.addEventListener("loadedmetadata", () => done(audio.duration)))"""
PAGE = b"""<h1>A page</h1><script>
document.title = "ran"; document.querySelector("h1").textContent = "origin " + origin;
try { document.cookie = "a=b"; } catch { document.querySelector("h1").textContent += " alone"; }
</script>"""
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>endobj\ntrailer<</Root 1 0 R>>"
)


def png(red: int) -> bytes:
    """A picture of one colour, 8 by 8."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = b"".join(b"\x00" + bytes([red, 80, 120]) * 8 for _row in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\x00\x00" * 8000)
    return out.getvalue()


def notebook() -> bytes:
    outputs = [
        {"output_type": "stream", "text": "loss 0.1\n"},
        {
            "output_type": "display_data",
            "data": {"image/png": base64.b64encode(png(200)).decode(), "text/plain": "Figure"},
        },
        {"output_type": "display_data", "data": {"text/html": "<img src=x onerror=alert(1)>"}},
    ]
    cells = [
        {"cell_type": "markdown", "source": "# Results"},
        {"cell_type": "code", "source": "def f():\n    return 1", "outputs": outputs},
    ]
    return json.dumps({"cells": cells}).encode()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def store(template: Path, tmp_path: Path, settings: Any) -> Store:
    shutil.copy(template, tmp_path / "mlflow.db")
    uri, artifacts = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts"
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY, tracking_uri=uri, artifact_root=str(artifacts)
    )
    return Store(uri, artifacts, MlflowClient(tracking_uri=uri, registry_uri=uri))


@pytest.fixture
def run_id(store: Store, sign_in: Any, person: User) -> str:
    sign_in(person)
    found = store.run(
        store.experiment("files"),
        "a run",
        end="FAILED",
        tags={
            "team": "blue",
            "mlflow.loggedImages": "True",
            "mlflow.loggedArtifacts": '[{"path": "eval.json", "type": "table"}]',
            "slipway.reason": "RuntimeError: CUDA out of memory",
            "mlflow.source.git.commit": "0123456789abcdef0123",
            "mlflow.source.git.branch": "main",
            "mlflow.note.content": "# Why\n\nIt is **better**.",
        },
        params={"lr": "0.1", "depth": "3"},
    )
    files = {
        "docs/deep/read me.md": b"# Read me\n\n* one\n* two",
        "code/train.py": b'def train():  # why\n    return "x"\n',
        "data/rows.csv": b"n,t\n" + b"".join(b"%d,x\n" % n for n in range(250)),
        "eval.json": json.dumps({"columns": ["a"], "data": [[n] for n in range(150)]}).encode(),
        "page.html": PAGE,
        "picture.png": png(255),
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
        b'<rect width="40" height="40" fill="red"/><script>top.ran = 1</script></svg>',
        "tone.wav": sound(),
        "paper.pdf": PDF,
        "notebook.ipynb": notebook(),
        "weights.bin": b"\x00" * 100,
    }
    for path, content in files.items():
        store.file(found, path, content)
    for step in (0, 5, 10):
        name = f"images/dogs+step+{step}+timestamp+1700000000000+{step}.png"
        store.file(found, name, png(step * 20))
        store.file(found, name.replace("dogs", "cats").replace(f"+{step}.png", "+c.png"), png(9))
    return found


def open_file(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Artifacts").get_by_role("link", name=name).first.click()
    expect(page.locator(".preview-head .label")).to_have_text(re.compile(re.escape(name)))


def test_the_tree_opens_folders_and_shows_files(page: Page, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/artifacts/")
    tree = page.get_by_role("navigation", name="Artifacts")
    tree.get_by_text("docs").click()
    tree.get_by_text("deep").click()
    open_file(page, "read me.md")
    expect(page.locator(".preview h3")).to_have_text("Read me")
    page.reload()  # the address holds what was open
    expect(page.locator(".preview h3")).to_have_text("Read me")
    tree.get_by_text("code").click()
    open_file(page, "train.py")
    expect(page.locator(".preview .hl-keyword").first).to_have_text("def")
    open_file(page, "notebook.ipynb")
    expect(page.locator(".notebook h3")).to_have_text("Results")
    picture = page.locator(".notebook img")
    expect(picture).to_have_count(1)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
    look(page, "run-notebook")
    open_file(page, "weights.bin")
    expect(page.get_by_text("This is a binary file")).to_be_visible()


def test_tables_are_turned_page_by_page(page: Page, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/artifacts/?path=data/rows.csv")
    rows = page.locator(".preview tbody tr")
    expect(rows).to_have_count(100)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("101–200")).to_be_visible()
    expect(rows.first).to_contain_text("100")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("201–250 of 250")).to_be_visible()
    look(page, "run-table")


def test_what_a_browser_interprets_is_kept_apart(page: Page, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/artifacts/?path=page.html")
    inside = page.frame_locator(".preview iframe")
    expect(inside.locator("h1")).to_have_text("origin null alone")
    for name in ("picture.png", "drawing.svg"):
        open_file(page, name)
        width = "image => image.decode().then(() => image.naturalWidth)"
        assert page.locator(".preview img").evaluate(width) > 0
    assert page.evaluate("window.ran") is None
    open_file(page, "tone.wav")
    audio = page.locator(".preview audio")
    assert audio.evaluate(LENGTH) == 1
    open_file(page, "paper.pdf")
    expect(page.locator(".preview iframe")).to_have_attribute("src", re.compile("paper.pdf"))


def test_folders_are_saved_as_archives(page: Page, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/artifacts/")
    with page.expect_download() as kept:
        page.get_by_role("link", name="All as zip").click()
    assert Path(kept.value.path()).read_bytes().startswith(b"PK")
    with page.expect_download() as kept:
        page.get_by_role("link", name="Download docs as zip").focus()
        page.keyboard.press("Enter")
    assert kept.value.suggested_filename == "docs.zip"


def test_images_follow_a_slider(page: Page, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/media/")
    dogs = page.get_by_role("region", name="dogs")
    expect(dogs.get_by_text("Step 10", exact=True)).to_be_visible()
    slider = dogs.get_by_role("slider")
    slider.focus()
    slider.press("ArrowLeft")
    expect(dogs.get_by_text("Step 5", exact=True)).to_be_visible()
    cats = page.get_by_role("region", name="cats")
    expect(cats.get_by_text("Step 5", exact=True)).to_be_visible()  # the others follow
    image = dogs.locator("img")
    expect(image).to_have_attribute("src", re.compile("step%2B5"))
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("101–150 of 150")).to_be_visible()
    look(page, "run-media")


def test_tags_and_notes_are_changed_in_place(page: Page, store: Store, run_id: str) -> None:
    page.goto(f"/runs/{run_id}/")
    expect(page.get_by_text("RuntimeError: CUDA out of memory").first).to_be_visible()
    expect(page.locator(".notes strong")).to_have_text("better")
    look(page, "run-overview")
    page.get_by_role("button", name="Change the tag team").click()
    page.get_by_label("Value of the tag").fill("red")
    page.get_by_role("button", name="Set tag").click()
    expect(page.get_by_text("team: red")).to_be_visible()
    page.get_by_role("button", name="Remove the tag team").click()
    expect(page.get_by_text("team: red")).to_have_count(0)
    page.get_by_role("button", name="Edit notes").click()
    page.get_by_label("Notes in Markdown").fill("Now *worse*")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notes em")).to_have_text("worse")
    assert store.client.get_run(run_id).data.tags["mlflow.note.content"] == "Now *worse*"


def test_parameters_are_compared_with_a_chosen_run(page: Page, store: Store, run_id: str) -> None:
    experiment = store.client.get_run(run_id).info.experiment_id
    store.run(experiment, "another", params={"lr": "0.2", "depth": "3"})
    page.goto(f"/runs/{run_id}/parameters/")
    page.get_by_role("button", name="Choose a run").click()
    page.get_by_role("dialog").get_by_role("link", name="another").click()
    expect(page.locator("tr.differs")).to_have_count(1)
    expect(page.get_by_text("1 differs")).to_be_visible()
    look(page, "run-parameters")
