"""Source folders: named by content, read-only, inside their limits, and safe to unpack."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from deployments.control import sweep
from registry.scripts import folders
from registry.scripts.folders import (
    SourceFile,
    SourceInfo,
    source_create,
    source_edit,
    source_read,
)
from registry.scripts.source_archives import source_unpack
from tests.factories import RevisionFactory
from tests.scripts.conftest import ECHO, Keep
from workspaces.errors import Invalid, NotFound
from workspaces.models import Event

pytestmark = pytest.mark.django_db
Make = Callable[..., SourceInfo]


@pytest.fixture
def make(user: User, model: str) -> Make:
    def create(files: dict[str, bytes]) -> SourceInfo:
        given = (SourceFile(path, iter([content])) for path, content in files.items())
        return source_create(files=given, user=user)

    return create


def left() -> list[str]:
    """What lies about beside finished folders."""
    return [path.name for path in settings.DATA.sources.glob(".*")]


def test_files_are_kept_read_only_under_the_name_of_their_content(make: Make) -> None:
    info = make({"score.py": b"x = 1\n", "lib/help.py": b""})
    folder = folders.source_path(info.sha256)
    assert [item["path"] for item in info.files] == ["lib/help.py", "score.py"]
    assert info.scripts == ["score.py", "lib/help.py"]
    assert (folder / "score.py").read_bytes() == b"x = 1\n"
    assert stat.S_IMODE((folder / "score.py").stat().st_mode) == 0o444
    assert stat.S_IMODE((folder / "lib").stat().st_mode) == 0o755
    assert left() == []


def test_the_same_files_are_the_same_folder_and_one_event(make: Make) -> None:
    first, second = make({"a.py": b"1", "b.py": b"2"}), make({"b.py": b"2", "a.py": b"1"})
    assert first.sha256 == second.sha256
    assert Event.objects.filter(kind="source.created").count() == 1
    assert make({"a.py": b"1"}).sha256 != first.sha256


def test_git_and_compiled_files_are_left_out_and_nothing_else(make: Make) -> None:
    info = make(
        {
            ".gitignore": b"secret.py",
            "secret.py": b"",
            ".git/config": b"",
            "__pycache__/a.pyc": b"",
            "x/__pycache__/b.pyc": b"",
            "c.pyc": b"",
        }
    )
    assert [item["path"] for item in info.files] == [".gitignore", "secret.py"]
    assert sorted(info.left_out) == [
        *(".git/config", "__pycache__/a.pyc", "c.pyc", "x/__pycache__/b.pyc")
    ]


@pytest.mark.parametrize(
    "path",
    ["../x.py", "/x.py", "a/../x.py", "", ".", "a//b", "a\\b", "a\nb", "a\x00b", "x" * 256, "a/"],
)
def test_paths_that_lead_elsewhere_are_refused_and_nothing_is_left(make: Make, path: str) -> None:
    before = set(settings.DATA.sources.glob("*"))
    with pytest.raises(Invalid) as caught:
        make({"score.py": b"", path: b""})
    assert list(caught.value.fields) == ["files"]
    assert set(settings.DATA.sources.glob("*")) == before
    assert left() == []


def test_every_wrong_path_is_in_one_message(make: Make) -> None:
    with pytest.raises(Invalid) as caught:
        make({"../a": b"", "/b": b"", "c": b"", "c/d": b""})
    assert all(name in caught.value.message for name in ("“../a”", "“/b”", "“c/d”"))


@given(st.dictionaries(st.text(max_size=12), st.binary(max_size=5), max_size=4))
@hypothesis_settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_any_paths_are_kept_inside_or_refused(make: Make, files: dict[str, bytes]) -> None:
    try:
        info = make(files)
    except Invalid:
        return
    for item in info.files:
        assert source_read_bytes(info.sha256, item["path"]) == files[item["path"]]


def source_read_bytes(sha256: str, path: str) -> bytes:
    return (folders.source_path(sha256) / path).read_bytes()


def test_no_files_too_many_files_and_too_many_bytes_are_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid, match="no files"):
        make({})
    monkeypatch.setattr(folders, "MAX_FILES", 2)
    with pytest.raises(Invalid, match="At most 2 files"):
        make({"a": b"", "b": b"", "c": b""})
    monkeypatch.setattr(folders, "MAX_BYTES", 1024 * 1024)
    with pytest.raises(Invalid, match="At most 1 MB"):
        make({"a": b"x" * 700_000, "b": b"x" * 700_000})
    assert left() == []


def test_an_edit_makes_a_folder_of_its_own(keep: Keep, user: User) -> None:
    first = keep(lib__help="x = 1")
    info = source_edit(sha256=first, texts={"score.py": "y = 2", "new.py": ""}, user=user)
    assert info.sha256 != first
    assert source_read(info.sha256, "score.py") == "y = 2"
    assert source_read(info.sha256, "lib/help") == "x = 1"
    assert source_read(first, "score.py") == ECHO


@pytest.mark.parametrize("path", ["none.py", "../x", "", "a\x00", "lib"])
def test_what_is_not_there_cannot_be_read(keep: Keep, path: str) -> None:
    with pytest.raises(NotFound):
        source_read(keep(lib__help=""), path)


def test_what_is_no_text_is_not_shown(make: Make) -> None:
    with pytest.raises(Invalid, match="no UTF-8 text"):
        source_read(make({"a.bin": b"\xff\xfe\x00"}).sha256, "a.bin")


@pytest.mark.parametrize("sha256", ["", "0" * 64, "../models", None, 3])
def test_an_unknown_folder_is_not_found(sha256: Any, model: str) -> None:
    with pytest.raises(NotFound):
        folders.source_path(sha256)


# --- archives --------------------------------------------------------------------------------


def zipped(files: dict[str, bytes], **modes: int) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = modes.get("mode", stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)
    stream.seek(0)
    return stream


def tarred(*members: tarfile.TarInfo, content: bytes = b"x", mode: str = "w:gz") -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def unpack(name: str, stream: io.BytesIO, user: User) -> SourceInfo:
    return source_unpack(name=name, stream=stream, user=user)


def test_the_one_folder_of_an_archive_is_the_source_folder(user: User, model: str) -> None:
    info = unpack("x.zip", zipped({"mine/score.py": b"", "mine/lib/a.py": b""}), user)
    assert [item["path"] for item in info.files] == ["lib/a.py", "score.py"]
    package = unpack("x.zip", zipped({"mine/__init__.py": b"", "mine/score.py": b""}), user)
    assert package.scripts == ["mine/__init__.py", "mine/score.py"]
    flat = unpack("x.tgz", tarred(tarfile.TarInfo("./score.py")), user)
    assert flat.scripts == ["score.py"]


@pytest.mark.parametrize("name", ["../../etc/x.py", "/etc/x.py", "a/../../x.py", "a\nb.py"])
def test_archives_that_lead_out_are_refused(user: User, model: str, name: str) -> None:
    for kind, stream in (
        ("x.zip", zipped({"score.py": b"", name: b""})),
        ("x.tar", tarred(tarfile.TarInfo("score.py"), tarfile.TarInfo(name), mode="w")),
    ):
        with pytest.raises(Invalid):
            unpack(kind, stream, user)
    assert left() == []


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(user: User, model: str, kind: bytes) -> None:
    with pytest.raises(Invalid, match="link or a device"):
        unpack("x.tgz", tarred(link("score.py", kind)), user)


def test_a_link_in_a_zip_is_refused(user: User, model: str) -> None:
    stream = zipped({"score.py": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(Invalid, match="link or a device"):
        unpack("x.zip", stream, user)


def test_a_bomb_ends_at_the_limit(user: User, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_BYTES", 1024 * 1024)
    with pytest.raises(Invalid, match="At most 1 MB"):
        unpack("x.zip", zipped({"score.py": bytes(50_000_000)}), user)
    assert left() == []


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_what_is_left_out_ends_at_the_limit_too(
    user: User, model: str, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(folders, "MAX_BYTES", 1024 * 1024)
    bomb = tarfile.TarInfo(".git/pack")
    with pytest.raises(Invalid, match="At most 1 MB") as caught:
        unpack("x.tgz", tarred(bomb, content=bytes(5_000_000), mode=mode), user)
    assert list(caught.value.fields) == ["files"]
    kept = unpack("x.tgz", tarred(bomb, tarfile.TarInfo("a.py"), content=b"x" * 900), user)
    assert (kept.scripts, kept.left_out) == (["a.py"], [".git/pack"])


def test_an_archive_of_too_many_folders_is_refused(
    user: User, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MAX_FILES", 2)
    names = [f"d{number}" for number in range(21)]
    with pytest.raises(Invalid, match="At most 2 files"):
        unpack("x.zip", zipped({f"{name}/": b"" for name in names}), user)
    inside = [tarfile.TarInfo(name) for name in names]
    for member in inside:
        member.type = tarfile.DIRTYPE
    with pytest.raises(Invalid, match="At most 2 files"):
        unpack("x.tar", tarred(*inside, mode="w"), user)


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 and no more", b"\x1f\x8b broken", bytes(600)]
)
def test_what_is_no_archive_is_said(user: User, model: str, name: str, content: bytes) -> None:
    with pytest.raises(Invalid):
        unpack(name, io.BytesIO(content), user)


def test_an_archive_cut_in_half_is_said(user: User, model: str) -> None:
    whole = zipped({"score.py": os.urandom(5000), "b.py": b"x"}).getvalue()
    with pytest.raises(Invalid):
        unpack("x.zip", io.BytesIO(whole[: len(whole) // 2]), user)


def test_a_zip_whose_content_is_broken_leaves_nothing(user: User, model: str) -> None:
    whole = bytearray(zipped({"score.py": os.urandom(5000)}).getvalue())
    whole[2000] ^= 0xFF
    with pytest.raises(Invalid):
        unpack("x.zip", io.BytesIO(bytes(whole)), user)
    assert left() == []


# --- the sweep -------------------------------------------------------------------------------


def aged(path: Path) -> Path:
    os.utime(path, (time.time() - 2 * sweep.FOLDER_SECONDS,) * 2)
    return path


def test_what_no_revision_names_is_swept_after_a_day(keep: Keep) -> None:
    used, unused, young = keep("a = 1"), keep("b = 1"), keep("c = 1")
    RevisionFactory(inference={"entryScript": "score.py", "source": used})
    for sha256 in (used, unused):
        aged(folders.source_path(sha256))
    stale = aged_staging()
    sweep.run()
    assert (settings.DATA.sources / used).is_dir()
    assert (settings.DATA.sources / young).is_dir()
    assert not (settings.DATA.sources / unused).exists()
    assert not stale.exists()


def aged_staging() -> Path:
    path: Path = settings.DATA.sources / ".staging-dead"
    path.mkdir()
    return aged(path)


def test_models_of_a_script_are_not_swept(keep: Keep) -> None:
    kept, gone = "a" * 64, "b" * 64
    RevisionFactory(
        inference={"entryScript": "score.py", "source": keep()},
        prepared={"models": [{"name": "x", "version": "1", "sha256": kept}]},
    )
    for sha256 in (kept, gone):
        (settings.DATA.models / sha256).mkdir(exist_ok=True)
        aged(settings.DATA.models / sha256)
    sweep.run()
    assert (settings.DATA.models / kept).is_dir()
    assert not (settings.DATA.models / gone).exists()
