"""Archives that anybody made: what is good is unpacked, what is not leaves nothing behind."""

from __future__ import annotations

import dataclasses
import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as studio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.incoming import archives, staging
from registry.incoming.staging import StagedFile
from workspaces.errors import Invalid, Unavailable

EXAMPLES = int(os.environ.get("SLIPWAY_TEST_EXAMPLES", "25"))
FORMS = {"tar": "w:", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of the test's own; whatever happened, no staging is left in it."""
    data = dataclasses.replace(studio.SLIPWAY.data, root=tmp_path / "data")
    limits = {"max_files": 50, "max_upload_bytes": 5_000_000, "min_free_bytes": 0}
    monkeypatch.setattr(studio, "SLIPWAY", dataclasses.replace(studio.SLIPWAY, data=data, **limits))
    yield data.tmp
    assert list(data.incoming.glob("*")) == []


def unpack(name: str, content: bytes) -> tuple[list[StagedFile], dict[str, bytes]]:
    with staging.staging_open() as made:
        writer = made.open_spare(name)
        writer.write(content)
        writer.done()
        found = archives.unpack(writer.target, name, made)
        inside = {item.path: (made.folder / item.path).read_bytes() for item in found}
        there = {
            p.relative_to(made.folder).as_posix() for p in made.folder.rglob("*") if p.is_file()
        }
        assert there == set(inside)
        assert not any(path.is_symlink() for path in made.folder.rglob("*"))
        return found, inside


def zip_of(*members: tuple[Any, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


def tar_of(*members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def unix(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr = 3, mode << 16
    return made


GOOD = (("model/a.bin", b"a" * 3000), ("model/deep/ü b.txt", b"text"))


@pytest.mark.parametrize("form", ["zip", *FORMS])
def test_a_good_archive_is_unpacked_whole(form: str) -> None:
    content = zip_of(*GOOD) if form == "zip" else tar_of(*GOOD, mode=FORMS[form])
    found, inside = unpack(f"m.{form}", content)
    assert inside == dict(GOOD)
    assert {item.path: item.size for item in found} == {name: len(data) for name, data in GOOD}
    assert all(len(item.sha256) == 64 for item in found)


def test_members_of_members_are_one_archive() -> None:
    content = tar_of(*GOOD, mode="w:")
    parts = gzip.compress(content[:700]) + gzip.compress(content[700:])
    assert unpack("m.tgz", parts)[1] == dict(GOOD)


def test_a_zip_is_refused_whose_method_gives_no_bounds() -> None:
    """zipfile takes what bzip2 and LZMA give whole: a few KB may become gigabytes at once."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(Invalid, match="use deflate"):
            unpack("m.zip", zip_of(("m/a", bytes(1000)), compression=method))


def test_global_headers_of_a_tar_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    before = tarfile.TarFile.next

    def counted(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        seen.append(len(archive.pax_headers))
        return before(archive)

    monkeypatch.setattr(tarfile.TarFile, "next", counted)
    parts = []
    for number in range(5):
        header = {f"key-{number}-{n}": "x" for n in range(50)}
        parts.append(tarfile.TarInfo.create_pax_global_header(header))
        parts.append(tar_of((f"m/{number}", b"x"), mode="w:")[:1024])
    content = b"".join(parts) + bytes(1024)
    assert len(unpack("m.tar", content)[1]) == 5
    assert max(seen) <= 50


def test_the_list_of_a_large_zip_is_measured_where_it_will_be_read() -> None:
    """A locator that points to a small record, with a huge one where zipfile looks."""
    good = zip_of(*GOOD)
    small, huge = (
        struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, 0)
        for size in (100, 10 * 2**30)
    )
    at = len(good) - 22
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    with pytest.raises(Invalid, match="broken"):
        unpack("m.zip", good[:at] + small + huge + locator + end)
    honest = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    with pytest.raises(Invalid, match="files"):
        unpack("m.zip", good[:at] + huge + honest + end)


def test_folders_and_what_file_managers_leave_are_no_files() -> None:
    members = [
        ("m/", b""),
        ("m/a", b"x"),
        ("__MACOSX/m/._a", b"junk" * 500_000),
        ("m/.DS_Store", b"j"),
    ]
    assert unpack("m.zip", zip_of(*members))[1] == {"m/a": b"x"}
    folder = entry("./m", tarfile.DIRTYPE)
    rest = [("__MACOSX/._a", b"j" * 1_500_000), ("./m/a", b"x")]
    assert unpack("m.tar", tar_of((folder, b""), *rest, mode="w:"))[1] == {"m/a": b"x"}


NAMES = {
    "up": ("../evil", "leads out"),
    "up inside": ("a/../../evil", "leads out"),
    "absolute": ("/etc/evil", "absolute"),
    "line break": ("a\nb", "control characters"),
    "bell": ("a\x07", "control characters"),
    "delete": ("a\x7fb", "control characters"),
    "right to left": ("a\u202eb", "control characters"),
    "backslash": ("..\\evil", "backslash"),
    "long name": ("n" * 256, "too long"),
    "long path": ("/".join(["n" * 100] * 11), "too long"),
}


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_no_file_should_have_is_refused(case: str, form: str, tmp_path: Path) -> None:
    name, reason = NAMES[case]
    members = (("good", b"x"), (name, b"evil"))
    content = zip_of(*members) if form == "zip" else tar_of(*members, mode="w:")
    with pytest.raises(Invalid, match=reason):
        unpack(f"m.{form}", content)
    assert not list(tmp_path.rglob("evil"))


def test_names_that_are_not_utf_8_are_refused() -> None:
    content = zip_of(("caf\u00e9-x", b"x")).replace("caf\u00e9".encode(), b"caf\xe9x")
    raw = content.replace(b"\x00\x08", b"\x00\x00")  # no longer said to be UTF-8
    for bad in (content, raw):
        with pytest.raises(Invalid):
            unpack("m.zip", bad)
    named = tarfile.TarInfo("caf\udce9")
    with pytest.raises(Invalid, match="UTF-8"):
        unpack("m.tar", tar_of((named, b"x"), mode="w:"))


TWICE = {
    "the same": (("a", b"1"), ("a", b"2")),
    "the same, written otherwise": (("a/b", b"1"), ("./a//b", b"2")),
    "file and folder": (("a", b"1"), ("a/b", b"2")),
    "folder and file": (("a/b", b"1"), ("a", b"2")),
}


@pytest.mark.parametrize("case", TWICE)
@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_that_is_there_twice_is_refused(case: str, form: str) -> None:
    members = TWICE[case]
    content = zip_of(*members) if form == "zip" else tar_of(*members, mode="w:")
    with pytest.raises(Invalid, match=r"twice|both a file and a folder"):
        unpack(f"m.{form}", content)


KINDS = {
    "symbolic link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "sparse": tarfile.GNUTYPE_SPARSE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tar_entry_that_is_no_plain_file_is_refused(kind: str) -> None:
    bad = entry("bad", KINDS[kind], "/etc/passwd")
    with pytest.raises(Invalid):
        unpack("m.tar", tar_of(("good", b"x"), (bad, b""), mode="w:"))


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_zip_entry_that_is_no_plain_file_is_refused(mode: int) -> None:
    with pytest.raises(Invalid, match="The entry bad is"):
        unpack("m.zip", zip_of(("good", b"x"), (unix("bad", mode | 0o777), b"/etc/passwd")))


def test_too_many_files_are_refused() -> None:
    members = tuple((f"f{number}", b"") for number in range(51))
    for name, content in (("m.zip", zip_of(*members)), ("m.tar", tar_of(*members, mode="w:"))):
        with pytest.raises(Invalid, match="more than 50 files"):
            unpack(name, content)


def test_endless_folders_are_refused() -> None:
    folders = tuple((entry(f"d{number}", tarfile.DIRTYPE), b"") for number in range(400))
    with pytest.raises(Invalid, match="more than 50 files"):
        unpack("m.tar", tar_of(*folders, mode="w:"))


def test_a_list_of_files_that_is_too_long_is_not_even_read() -> None:
    content = bytearray(zip_of(("a", b"x")))
    at = content.rfind(b"PK\x05\x06")
    struct.pack_into("<L", content, at + 12, 0x7FFFFFF0)
    with pytest.raises(Invalid, match="more than 50 files"):
        unpack("m.zip", bytes(content))


@pytest.mark.parametrize("form", ["zip", *FORMS])
def test_more_bytes_than_allowed_are_refused_while_they_come_out(form: str) -> None:
    members = (("bomb", bytes(6_000_000)),)
    content = zip_of(*members) if form == "zip" else tar_of(*members, mode=FORMS[form])
    with pytest.raises(Invalid, match="larger than 5 MB"):
        unpack(f"m.{form}", content)


def test_a_size_that_the_archive_lies_about_does_not_count() -> None:
    content = bytearray(zip_of(("bomb", bytes(6_000_000))))
    at = content.find(b"PK\x01\x02")
    struct.pack_into("<L", content, at + 24, 10)  # "10 bytes when unpacked"
    with pytest.raises(Invalid):
        unpack("m.zip", bytes(content))


def test_what_unpacks_to_far_more_than_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_OF_RATIO", 100_000)
    with pytest.raises(Invalid, match="200 times its own size"):
        unpack("m.zip", zip_of(("bomb", bytes(4_000_000))))


def test_headers_that_fill_the_memory_are_refused() -> None:
    named = tarfile.TarInfo("a" * 3_000_000)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(named, io.BytesIO())
    with pytest.raises(Invalid, match="headers"):
        unpack("m.tgz", target.getvalue())


def test_a_full_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zip_of(*GOOD)
    monkeypatch.setattr(
        studio, "SLIPWAY", dataclasses.replace(studio.SLIPWAY, min_free_bytes=2**60)
    )
    with pytest.raises(Unavailable, match="too full") as error:
        unpack("m.zip", content)
    assert error.value.code == "disk_full"


def test_encrypted_and_unusual_entries_are_refused() -> None:
    content = zip_of(("a", b"x" * 100), compression=zipfile.ZIP_LZMA)
    with pytest.raises(Invalid, match="use deflate"):
        unpack("m.zip", content)
    locked = bytearray(zip_of(("a", b"x")))
    locked[locked.find(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Invalid, match="encrypted"):
        unpack("m.zip", bytes(locked))


@pytest.mark.parametrize("name", ["m.zip", "m.tar", "m.tar.gz", "m.tar.xz", "m.tar.bz2"])
@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive" * 100])
def test_what_is_no_archive_is_said_so(name: str, content: bytes) -> None:
    with pytest.raises(Invalid, match=r"cannot be unpacked|no files"):
        unpack(name, content)


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_an_archive_that_was_cut_is_refused(form: str) -> None:
    members = (("a", os.urandom(50_000)),)
    content = zip_of(*members) if form == "zip" else tar_of(*members, mode=FORMS[form])
    with pytest.raises(Invalid):
        unpack(f"m.{form}", content[: len(content) // 2])


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_damaged_archive_is_unpacked_or_refused(form: str) -> None:
    content = zip_of(*GOOD) if form == "zip" else tar_of(*GOOD, mode=FORMS[form])

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(at=st.integers(0, len(content) - 1), new=st.binary(max_size=8), cut=st.integers(0, 60))
    def check(at: int, new: bytes, cut: int) -> None:
        try:
            unpack(f"m.{form}", content[:at] + new + content[at + cut :])
        except Invalid:
            pass  # said in a sentence

    check()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(names=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5))
def test_whatever_the_names_nothing_is_written_outside(names: list[str]) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:", errors="replace") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name.encode("utf-8", "replace").decode()), io.BytesIO())
    try:
        unpack("m.tar", target.getvalue())
    except Invalid:
        pass
    outside = [path for path in studio.SLIPWAY.data.root.rglob("*") if path.is_file()]
    assert outside == []
