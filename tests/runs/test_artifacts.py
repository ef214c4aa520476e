"""Artifacts in the browser: shown without the studio's rights, downloaded as they are."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

from tests.tracking.mlflow_store import Store

CDN = '<script src="https://cdn.plot.ly/plotly-3.0.0.min.js" integrity="x"></script>'


@pytest.fixture
def run_id(store: Store) -> str:
    found = store.run(store.experiment("artifacts"))
    store.file(found, "page.html", f"<script>alert(1)</script>{CDN}".encode())
    store.file(found, "picture.svg", b"<svg><script>alert(1)</script></svg>")
    store.file(found, "picture.png", b"\x89PNG")
    store.file(found, 'odd "name" é\n.txt', b"text")
    store.file(found, "data.csv", b"a,b\n1,<b>\n")
    store.file(found, "model.pkl", b"\x00" * 100)
    store.file(found, "paper.pdf", b"%PDF-1.4")
    store.file(found, "tone.wav", b"RIFF")
    store.file(found, "notes.md", b"# Hi <script>x</script>")
    return found


def raw(person: Client, run_id: str, path: str, view: str = "raw"):
    return person.get(f"/runs/{run_id}/artifacts/{view}/", {"path": path})


def test_a_page_is_served_in_a_sandbox_without_origin_or_network(
    person: Client, run_id: str
) -> None:
    answer = raw(person, run_id, "page.html")
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "default-src 'none'" in policy
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy  # falls back to 'none'
    assert answer["X-Content-Type-Options"] == "nosniff"
    html = raw(person, run_id, "page.html", "preview").content.decode()
    assert 'sandbox="allow-scripts"' in html


def test_plots_get_the_studios_own_plotly(person: Client, run_id: str) -> None:
    body = raw(person, run_id, "page.html").content.decode()
    assert "cdn.plot.ly" not in body
    assert "/static/vendor/plotly/" in body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("picture.svg", "image/svg+xml"),
        ("picture.png", "image/png"),
        ("paper.pdf", "application/pdf"),
        ("tone.wav", "audio/wav"),
    ],
)
def test_what_is_framed_cannot_run_scripts(
    person: Client, run_id: str, path: str, kind: str
) -> None:
    answer = raw(person, run_id, path)
    assert answer["Content-Type"] == kind
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "script-src" not in answer["Content-Security-Policy"]


@pytest.mark.parametrize("view", ["raw", "file"])
def test_anything_else_is_an_attachment(person: Client, run_id: str, view: str) -> None:
    answer = raw(person, run_id, "model.pkl", view)
    assert answer["Content-Disposition"] == 'attachment; filename="model.pkl"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Length"] == "100"
    assert b"".join(answer.streaming_content) == b"\x00" * 100


def test_an_odd_name_cannot_break_the_header(person: Client, run_id: str) -> None:
    answer = raw(person, run_id, 'odd "name" é\n.txt', "file")
    assert answer.status_code == 200
    assert "\n" not in answer["Content-Disposition"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("../../mlflow.db", 400),
        ("/etc/passwd", 400),
        ("a\x00b", 400),
        ("", 404),
        ("%2e%2e/%2e%2e/mlflow.db", 404),
        ("nothing.txt", 404),
    ],
)
def test_what_is_outside_cannot_be_read(
    person: Client, run_id: str, path: str, status: int
) -> None:
    for view in ("raw", "file", "preview"):
        assert raw(person, run_id, path, view).status_code == status


def test_models_of_other_runs_are_not_read_through_this_one(person: Client, run_id: str) -> None:
    url = f"/runs/{run_id}/artifacts/file/"
    assert person.get(url, {"path": "MLmodel", "model": "m-0123"}).status_code == 404


def test_a_table_is_shown_as_text(person: Client, run_id: str) -> None:
    html = raw(person, run_id, "data.csv", "preview").content.decode()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_markdown_and_code_are_safe_html(person: Client, run_id: str) -> None:
    html = raw(person, run_id, "notes.md", "preview").content.decode()
    assert "<h3>Hi &lt;script&gt;" in html
    assert "<script>x" not in html


def test_rows_of_a_table_are_asked_for_by_their_place(
    person: Client, store: Store, run_id: str
) -> None:
    rows = b"".join(b"%d,x\n" % n for n in range(250))
    store.file(run_id, "d/long table.csv", b"n,t\n" + rows)
    url = f"/runs/{run_id}/artifacts/preview/"
    html = person.get(url, {"path": "d/long table.csv", "rows": "100"}).content.decode()
    assert "<td>100</td>" in html
    assert "101–200" in html
    assert re.search(r'hx-get="[^"]+rows=200', html)
    for odd in ("-1", "x", "9" * 30):
        answer = person.get(url, {"path": "d/long table.csv", "rows": odd})
        assert "<td>0</td>" in answer.content.decode()


def test_a_notebook_is_cells(person: Client, store: Store, run_id: str) -> None:
    cells = [{"cell_type": "code", "source": "1 + 1  # <b>", "outputs": []}]
    store.file(run_id, "n.ipynb", json.dumps({"cells": cells}).encode())
    html = raw(person, run_id, "n.ipynb", "preview").content.decode()
    assert '<div class="cell cell-code">' in html
    assert "# &lt;b&gt;" in html


@pytest.mark.django_db(transaction=True)
async def test_a_file_is_streamed_under_asgi(store: Store) -> None:
    found = store.run(store.experiment("big"))
    store.file(found, "big.bin", b"0123456789" * 200_000)
    client = AsyncClient()
    await client.aforce_login(await get_user_model().objects.acreate_user("ada", password="x"))
    answer = await client.get(f"/runs/{found}/artifacts/file/", {"path": "big.bin"})
    assert answer.is_async
    sizes = [len(chunk) async for chunk in answer.streaming_content]
    assert sum(sizes) == 2_000_000
    assert max(sizes) <= 256 * 1024


# --- parts of files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "told", "body"),
    [
        ("bytes=0-", 206, "bytes 0-9/10", b"0123456789"),
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=8-99999", 206, "bytes 8-9/10", b"89"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"),
        ("bytes=-99", 206, "bytes 0-9/10", b"0123456789"),
        ("bytes=10-", 416, "bytes */10", b""),
        ("bytes=-0", 416, "bytes */10", b""),
        ("bytes=5-2", 200, "", b"0123456789"),
        ("bytes=0-1,3-4", 200, "", b"0123456789"),
        ("bytes=-", 200, "", b"0123456789"),
        ("lines=0-1", 200, "", b"0123456789"),
        ("bytes=٣-", 200, "", b"0123456789"),
    ],
)
@pytest.mark.parametrize(("path", "view"), [("tone.wav", "raw"), ("x.bin", "file")])
def test_a_player_gets_the_part_it_asks_for(
    person: Client,
    store: Store,
    run_id: str,
    path: str,
    view: str,
    asked: str,
    status: int,
    told: str,
    body: bytes,
) -> None:
    store.file(run_id, path, b"0123456789")
    url = f"/runs/{run_id}/artifacts/{view}/"
    answer = person.get(url, {"path": path}, headers={"Range": asked})
    assert answer.status_code == status
    assert answer.get("Content-Range", "") == told
    assert answer["Content-Length"] == str(len(body))
    assert b"".join(answer.streaming_content) == body
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_parts_are_offered_and_not_given_of_what_may_have_changed(
    person: Client, run_id: str
) -> None:
    assert raw(person, run_id, "tone.wav")["Accept-Ranges"] == "bytes"
    assert "Accept-Ranges" not in raw(person, run_id, "page.html")
    url = f"/runs/{run_id}/artifacts/raw/"
    headers = {"Range": "bytes=1-", "If-Range": '"x"'}
    assert person.get(url, {"path": "tone.wav"}, headers=headers).status_code == 200
    assert person.head(url, {"path": "tone.wav"}, headers={"Range": "bytes=1-"}).status_code == 200


@pytest.mark.django_db(transaction=True)
async def test_a_part_of_a_large_file_is_streamed_under_asgi(store: Store) -> None:
    found = store.run(store.experiment("big"))
    store.file(found, "big.wav", b"0123456789" * 200_000)
    client = AsyncClient()
    await client.aforce_login(await get_user_model().objects.acreate_user("ada", password="x"))
    url = f"/runs/{found}/artifacts/raw/"
    answer = await client.get(url, {"path": "big.wav"}, headers={"Range": "bytes=1000005-"})
    chunks = [chunk async for chunk in answer.streaming_content]
    assert answer.status_code == 206
    assert b"".join(chunks) == (b"0123456789" * 200_000)[1_000_005:]
    assert max(map(len, chunks)) <= 256 * 1024
