"""Registering a model from files in the browser: chosen, dropped, stopped, refused."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from playwright.sync_api import Page, expect

from registry import selectors
from registry.incoming import staging
from registry.incoming.receiving import Receiver
from tests.browser.harness import look
from tests.registry import made
from tests.tracking.mlflow_store import make_template

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # whitenoise reads assets so where nothing was collected
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]

DROP = """([zone, names]) => {
  const transfer = new DataTransfer();
  names.forEach((name) => transfer.items.add(new File(["weights"], name)));
  for (const kind of ["dragenter", "dragover", "drop"])
    zone.dispatchEvent(
      new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def base_url(
    transactional_db: None, template: Path, tmp_path: Path, settings: Any
) -> Iterator[str]:
    """The studio's own ASGI application: uploads stream, which a WSGI server cannot do."""
    database = tmp_path / "mlflow.db"
    shutil.copy(template, database)
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY,
        data=dataclasses.replace(settings.SLIPWAY.data, root=tmp_path / "data"),
        tracking_uri=f"sqlite:///{database}",
        artifact_root=str(tmp_path / "artifacts"),
        min_free_bytes=0,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    application = Receiver(get_asgi_application())  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=20)
    listener.close()
    assert list(staging.staging_root().glob("*")) == []


@pytest.fixture
def upload(page: Page, sign_in: Any, person: Any) -> Page:
    """The page that registers files."""
    sign_in(person)
    page.goto("/register/")
    return page


def test_chosen_files_are_registered_and_shown(upload: Page, tmp_path: Path) -> None:
    model = made.lightgbm()
    (tmp_path / model.file_name).write_bytes(model.content)
    look(upload, "upload")
    upload.set_input_files("#id_files", tmp_path / model.file_name)
    expect(upload.get_by_text("1 file, ")).to_be_visible()
    expect(upload.get_by_label("Name", exact=True)).to_have_value("model")
    upload.get_by_label("Tags").fill("area=qna\nquick\n")
    upload.get_by_label("Properties").fill("owner=ada")
    upload.get_by_label("Sample input").fill('[{"a": 1, "b": 2, "c": 3, "d": 4.5}]')
    upload.get_by_role("button", name="Register", exact=True).click()
    expect(upload.get_by_role("heading", name="Version 1")).to_be_visible()
    for words in ("A model is code.", "It was uploaded by ada", "LightGBM", "lightgbm>=4,<5"):
        expect(upload.get_by_text(words).first).to_be_visible()
    look(upload, "uploaded-version")
    found = selectors.version_get("model", "1")
    assert (found.tags, found.properties) == ({"area": "qna", "quick": ""}, {"owner": "ada"})


def test_a_folder_keeps_its_paths(upload: Page, tmp_path: Path) -> None:
    (tmp_path / "net" / "deep").mkdir(parents=True)
    (tmp_path / "net" / "weights.bin").write_bytes(b"w")
    (tmp_path / "net" / "deep" / "words.txt").write_bytes(b"t")
    upload.set_input_files("#id_folder", tmp_path / "net")
    expect(upload.get_by_text("net/deep/words.txt")).to_be_visible()
    upload.get_by_role("button", name="Register", exact=True).click()
    expect(upload.get_by_text("It needs an entry script.")).to_be_visible()
    paths = [item.path for item in selectors.version_get("net", "1").files]
    assert paths == ["net/deep/words.txt", "net/weights.bin"]


def test_files_are_dropped_and_taken_away_again(upload: Page) -> None:
    zone = upload.locator("[data-drop]").element_handle()
    upload.evaluate(DROP, [zone, ["a.bin", "b.bin"]])
    expect(upload.get_by_text("2 files, 14 B")).to_be_visible()
    upload.evaluate(DROP, [zone, ["b.bin", "c.bin"]])
    expect(upload.get_by_text("3 files, 21 B")).to_be_visible()
    upload.get_by_role("button", name="Remove all").click()
    expect(upload.get_by_text("3 files, 21 B")).to_be_hidden()
    upload.evaluate(DROP, [zone, ["a.bin"]])
    upload.get_by_label("Name", exact=True).fill("dropped")
    upload.get_by_role("button", name="Register", exact=True).click()
    expect(upload.get_by_role("heading", name="Version 1")).to_be_visible()


def test_what_is_wrong_stands_beside_its_field_and_can_be_mended(upload: Page, watch: Any) -> None:
    watch.allow(400)
    zone = upload.locator("[data-drop]").element_handle()
    upload.evaluate(DROP, [zone, ["a.bin"]])
    upload.get_by_label("Name", exact=True).fill("no spaces!")
    button = upload.get_by_role("button", name="Register", exact=True)
    button.click()
    expect(
        upload.locator(".field[data-invalid]").get_by_text("starts with a letter")
    ).to_be_visible()
    expect(button).to_be_enabled()
    look(upload, "upload-refused")
    upload.get_by_label("Name", exact=True).fill("good")
    button.click()
    expect(upload.get_by_role("heading", name="Version 1")).to_be_visible()


def test_without_scripts_the_form_does_it(
    chromium: Any, base_url: str, person: Any, client: Any
) -> None:
    from django.conf import settings

    client.force_login(person)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context = chromium.new_context(base_url=base_url, java_script_enabled=False)
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base_url}])
    page = context.new_page()
    page.goto("/register/")
    page.set_input_files("#id_files", [{"name": "a.bin", "mimeType": "x/y", "buffer": b"w"}])
    page.fill("#id_name", "plain")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    context.close()
