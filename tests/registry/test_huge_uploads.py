"""The huge ones: 2 GB with flat memory, a 10 GB bomb, 200,000 files."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import tarfile
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from django.contrib.auth import get_user_model

from registry import files
from registry.incoming import staging
from tests.registry.asgi import APPLICATION, BOUNDARY, HEADERS, upload
from tests.registry.conftest import Store
from workspaces.tokens import token_create

pytestmark = [
    pytest.mark.soak,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
]
GB = 1_000_000_000
PIECE = bytes(range(256)) * 1024  # 256 KiB


@pytest.fixture
def place(store: Store, tmp_path: Path, settings: Any) -> Iterator[Path]:
    data = dataclasses.replace(settings.SLIPWAY.data, root=tmp_path / "data")
    root = tmp_path / "artifacts"
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY, data=data, artifact_root=str(root), min_free_bytes=GB
    )
    yield root / "registered"
    assert list(staging.staging_root().glob("*")) == []


@pytest.fixture
def token(place: Path) -> str:
    user = get_user_model().objects.create_user("ada", password="a-long-password")
    return token_create(user=user, name="test")[1]


class Peak:
    """The most memory that this process had while the block ran, beyond what it had before."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self._done = threading.Event()
        self.rise = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.rise = max(self.rise, self._process.memory_info().rss - self._before)

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()


def stream(token: str, size: int) -> httpx.Response:
    """One file of so many bytes, made while it is sent."""

    async def pieces() -> AsyncIterator[bytes]:
        name = 'Content-Disposition: form-data; name="name"'
        yield f"--{BOUNDARY}\r\n{name}\r\n\r\nhuge\r\n".encode()
        head = 'Content-Disposition: form-data; name="files"; filename="weights.bin"'
        yield f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode()
        for _number in range(size // len(PIECE)):
            yield PIECE
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=APPLICATION)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = {**HEADERS, "Authorization": f"Bearer {token}"}
            return await client.post("/api/v1/models", content=pieces(), headers=headers)

    return asyncio.run(send())


def test_two_gigabytes_register_and_are_copied_with_flat_memory(token: str, tmp_path: Path) -> None:
    upload(token, {"small": b"x"}, name="small")  # what is loaded once does not count
    with Peak() as peak:
        answer = stream(token, 2 * GB)
        assert answer.status_code == 201, answer.text
    assert peak.rise < 100_000_000
    with Peak() as peak:
        root = tmp_path / "models"
        files.version_materialize(
            name="huge", version="1", destination_root=root, needs_mlmodel=False
        )
    assert peak.rise < 100_000_000


def test_a_bomb_of_ten_gigabytes_is_refused_early(token: str, place: Path) -> None:
    target = io.BytesIO()
    zeros = bytes(10_000_000)
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("bomb", "w", force_zip64=True) as member,
    ):
        for _number in range(1000):
            member.write(zeros)
    with Peak() as peak:
        answer = upload(token, {"bomb.zip": target.getvalue()}, name="m")
    assert (answer.status_code, answer.json()["code"]) == (400, "too_large")
    assert peak.rise < 200_000_000
    assert not list(place.glob("*"))


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_two_hundred_thousand_files_are_refused(form: str, token: str, place: Path) -> None:
    target = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(target, "w") as packed:
            for number in range(200_000):
                packed.writestr(f"f{number}", b"")
    else:
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            for number in range(200_000):
                tar.addfile(tarfile.TarInfo(f"f{number}"), io.BytesIO())
    with Peak() as peak:
        answer = upload(
            token, {f"many.{form}" if form == "zip" else "many.tgz": target.getvalue()}, name="m"
        )
    assert answer.status_code == 400
    assert "more than 20000 files" in answer.json()["message"]
    assert peak.rise < 200_000_000
    assert not list(place.glob("*"))
