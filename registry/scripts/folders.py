"""Source folders of entry scripts: `sources/<sha256>/`, read-only, named by what is in them.

The same files are the same folder, whoever uploads them; what no revision names is swept. Nothing
is left out by .gitignore or .amlignore, as in v1, except `.git` and what Python compiled.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from registry.files import STAGING, Manifest, chunks, manifest_sha256
from registry.scripts.parsing import path_problem
from workspaces.errors import Invalid, NotFound, Unavailable
from workspaces.events import event_record

MAX_FILES = 1000
MAX_BYTES = 100 * 1024 * 1024  # of all files together
MAX_TEXT = 1_000_000  # bytes of a file that is shown or edited in the browser
LEFT_OUT = frozenset({".git", "__pycache__", "__MACOSX"})
STALE_SECONDS = 3600  # an upload under way is younger
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SourceFile:
    """A file that is given. `path` is relative to the source folder, with slashes."""

    path: str
    pieces: Iterator[bytes]

    @classmethod
    def text(cls, path: str, text: str) -> SourceFile:
        return cls(path, iter([text.encode()]))


@dataclass(frozen=True)
class SourceInfo:
    """A stored source folder. `left_out` are the given paths that were not kept."""

    sha256: str
    files: list[dict[str, Any]]  # [{"path", "size"}], by path
    left_out: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(item["size"] for item in self.files)

    @property
    def scripts(self) -> list[str]:
        """Files that could be the entry script, those of the folder itself first."""
        found = [item["path"] for item in self.files if item["path"].endswith(".py")]
        return sorted(found, key=lambda path: (path.count("/"), path))


def source_create(*, files: Iterable[SourceFile], user: Any, unwrap: bool = False) -> SourceInfo:
    """Keep files as a source folder; the same files again are the same folder.

    Args:
        user: who asks; None leaves no event.
        unwrap: one folder that holds all files is the source folder, unless it is a package.
    Raises:
        Invalid: on field `files`, every path that cannot be kept; or there are too many files, too
            many bytes, or none.
        Unavailable: the disk is full.
    """
    if shutil.disk_usage(_root()).free < settings.SLIPWAY.min_free_bytes + MAX_BYTES:
        raise Unavailable(_("The disk is too full to keep source files; free some space first."))
    staging = _root() / f"{STAGING}{secrets.token_hex(8)}"
    staging.mkdir(mode=0o755)
    try:
        manifest, left_out = _write(files, staging)
        top = _top(manifest) if unwrap else ""
        for row in manifest:
            row["path"] = str(row["path"]).removeprefix(top)
        digest = manifest_sha256(manifest)
        is_new = _publish(staging / top, digest)
    except OSError as error:
        raise Unavailable(
            _("The files cannot be kept: %(cause)s.") % {"cause": error.strerror}
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if is_new and user is not None:
        event_record(
            kind="source.created",
            subject_type="source",
            subject=digest,
            message=_("A source folder of %(count)s files was kept.") % {"count": len(manifest)},
            actor=user,
        )
    return SourceInfo(digest, source_files(digest).files, left_out)


def folder_read(folder: Path) -> Iterator[SourceFile]:
    """Every file below a folder of this machine, for `source_create`. Follows no links to folders.

    Raises:
        OSError: when it is read: a file or the folder cannot be.
    """
    for top, names, files in os.walk(folder, onerror=_raise):
        names[:] = sorted(set(names) - LEFT_OUT)
        for name in sorted(files):
            path = Path(top, name)
            yield SourceFile(path.relative_to(folder).as_posix(), _read(path))


def _raise(error: OSError) -> None:
    raise error


def source_edit(*, sha256: str, texts: Mapping[str, str], user: Any) -> SourceInfo:
    """The folder with some files replaced or added, as a folder of its own.

    Args:
        texts: path -> text.
    Raises:
        NotFound: there is no such folder. Invalid, Unavailable: as `source_create`.
    """
    folder = source_path(sha256)
    kept = [item["path"] for item in source_files(sha256).files if item["path"] not in texts]
    files = [SourceFile.text(path, text) for path, text in texts.items()]
    files += [SourceFile(path, _read(folder / path)) for path in kept]
    return source_create(files=files, user=user)


def source_path(sha256: Any) -> Path:
    """Where the files of a source folder are.

    Raises:
        NotFound: there is none; on the field `source`.
    """
    if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
        folder: Path = settings.DATA.sources / sha256
        if folder.is_dir():
            return folder
    text = _("There is no such source folder; upload its files again.")
    raise NotFound(text, fields={"source": [text]})


def source_files(sha256: str) -> SourceInfo:
    """What is in a source folder. Raises: NotFound."""
    folder = source_path(sha256)
    files = []
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and "__pycache__" not in path.parts:
            name = path.relative_to(folder).as_posix()
            files.append({"path": name, "size": found.st_size})
    return SourceInfo(sha256, files)


def source_read(sha256: str, path: str) -> str:
    """The text of a file.

    Raises:
        NotFound: there is no such folder, or no such file in it.
        Invalid: it is no text, or longer than `MAX_TEXT` bytes; on the field `path`.
    """
    folder = source_path(sha256)
    shown = _shown(str(path))
    if path_problem(str(path)) or not (folder / path).is_file():
        text = _("The source folder has no file “%(path)s”.") % {"path": shown}
        raise NotFound(text, fields={"path": [text]})
    with (folder / path).open("rb") as stream:
        content = stream.read(MAX_TEXT + 1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if len(content) > MAX_TEXT or (content and not text):
        text = _("“%(path)s” is no UTF-8 text of at most %(most)s bytes.")
        text %= {"path": shown, "most": MAX_TEXT}
        raise Invalid(text, fields={"path": [text]})
    return text


def source_touch(sha256: str) -> None:
    """Keep a folder from being swept while it is chosen. Raises: NotFound."""
    os.utime(source_path(sha256))


def sources_sweep() -> None:
    """Remove what killed uploads left half-way."""
    before = time.time() - STALE_SECONDS
    for path in settings.DATA.sources.glob(f"{STAGING}*"):
        if path.stat().st_mtime < before:
            shutil.rmtree(path, ignore_errors=True)


def _root() -> Path:
    root: Path = settings.DATA.sources
    root.mkdir(parents=True, exist_ok=True)
    return root


def _write(files: Iterable[SourceFile], staging: Path) -> tuple[Manifest, list[str]]:
    manifest: Manifest = []
    wrong: dict[str, str] = {}
    left_out: list[str] = []
    room = MAX_BYTES
    for item in files:
        if LEFT_OUT & set(item.path.split("/")) or item.path.endswith(".pyc"):
            left_out.append(item.path[:200])
        elif sentence := path_problem(item.path) or _clash(staging, item.path):
            wrong[item.path] = sentence
        else:
            row = _copy(item, staging / item.path, room)
            manifest.append({"path": item.path, **row})
            room -= int(row["size"])
        if len(manifest) + len(wrong) > MAX_FILES:
            raise too_many()
    if wrong:
        raise refused(*(f"“{_shown(path)}” {text}" for path, text in wrong.items()))
    if not manifest:
        raise refused(_("There are no files to keep."))
    return manifest, left_out


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from chunks(stream)


def _top(manifest: Manifest) -> str:
    """`folder/` when everything lies in this one folder and it is no package, else ""."""
    paths = [str(row["path"]) for row in manifest]
    tops = {"".join(path.partition("/")[:2]) for path in paths}
    top = tops.pop()
    return "" if tops or not top.endswith("/") or f"{top}__init__.py" in paths else top


def _clash(staging: Path, path: str) -> str:
    """Why a file cannot stand beside those that are there already; "" when it can."""
    target = staging / path
    inside = [staging / parent for parent in Path(path).parents]
    if os.path.lexists(target) or any(parent.is_file() for parent in inside):
        return _("is given twice, or as a file and as a folder.")
    return ""


def _copy(item: SourceFile, target: Path, room: int) -> dict[str, str | int]:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as copy:
        for chunk in item.pieces:
            size += len(chunk)
            if size > room:
                raise too_large()
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())  # the folder's name promises the content, power cut or not
    target.chmod(0o444)
    return {"size": size, "sha256": digest.hexdigest()}


def _publish(staging: Path, digest: str) -> bool:
    """Give the finished folder its name; False when it was there before."""
    final = settings.DATA.sources / digest
    for folder in (staging, *(path for path in staging.rglob("*") if path.is_dir())):
        folder.chmod(0o755)  # whatever the umask: services run as another user
    try:
        staging.rename(final)
    except OSError:
        if not final.is_dir():
            raise
        os.utime(final)  # not swept now
        return False
    return True


def _shown(path: str) -> str:
    return path.encode(errors="replace").decode()[:120].replace("\n", "\\n").replace("\x00", "\\0")


def too_many() -> Invalid:
    """What more files than `MAX_FILES` are refused with."""
    return refused(_("At most %(most)s files can be kept.") % {"most": MAX_FILES})


def too_large() -> Invalid:
    """What more than `MAX_BYTES` are refused with."""
    most = MAX_BYTES // 2**20
    return refused(_("At most %(most)s MB of files can be kept.") % {"most": most})


def refused(*sentences: str) -> Invalid:
    """The refusal of files, on the field `files`."""
    most = 50
    texts = [*sentences[:most], *(["…"] if len(sentences) > most else [])]
    return Invalid(" ".join(texts), fields={"files": list(texts)})
