"""A folder of artifacts as one zip."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

from studio.runs import archives
from tests.tracking.mlflow_store import Store


@pytest.fixture
def run_id(store: Store) -> str:
    found = store.run(store.experiment("zip"))
    store.file(found, "top.txt", b"top")
    store.file(found, "d/a é.txt", b"a")
    store.file(found, "d/e/b%2e.bin", b"\x00" * 600_000)
    return found


def opened(answer) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_folder_is_an_archive_of_what_is_below_it(person: Client, run_id: str) -> None:
    answer = person.get(f"/runs/{run_id}/artifacts/archive/", {"path": "d"})
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == 'attachment; filename="d.zip"'
    assert opened(answer) == {"a é.txt": b"a", "e/b%2e.bin": b"\x00" * 600_000}


def test_everything_is_an_archive_too(person: Client, run_id: str) -> None:
    answer = person.get(f"/runs/{run_id}/artifacts/archive/")
    assert sorted(opened(answer)) == ["d/a é.txt", "d/e/b%2e.bin", "top.txt"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("nothing", 404), ("top.txt", 404), ("../..", 400), ("%2e%2e", 404), ("/etc", 400)],
)
def test_what_is_no_folder_is_refused(person: Client, run_id: str, path: str, status: int) -> None:
    answer = person.get(f"/runs/{run_id}/artifacts/archive/", {"path": path})
    assert answer.status_code == status


def test_links_out_of_the_artifacts_are_left_out(person: Client, store: Store, run_id: str) -> None:
    link = store.file(run_id, "d/link.txt")
    link.unlink()
    link.symlink_to("/etc/passwd")
    answer = person.get(f"/runs/{run_id}/artifacts/archive/", {"path": "d"})
    assert sorted(opened(answer)) == ["a é.txt", "e/b%2e.bin"]


def test_too_many_files_are_refused_before_anything_is_sent(
    person: Client, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    answer = person.get(f"/runs/{run_id}/artifacts/archive/")
    assert answer.status_code == 400
    assert "more than 2 files" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
async def test_an_archive_is_streamed_under_asgi(store: Store) -> None:
    found = store.run(store.experiment("big"))
    for number in range(4):
        store.file(found, f"big{number}.bin", b"0123456789" * 100_000)
    client = AsyncClient()
    await client.aforce_login(await get_user_model().objects.acreate_user("ada", password="x"))
    answer = await client.get(f"/runs/{found}/artifacts/archive/")
    assert answer.is_async
    sizes = [len(chunk) async for chunk in answer.streaming_content]
    assert sum(sizes) > 4_000_000
    assert max(sizes) <= 300_000
