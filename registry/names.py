"""Names of files that came from elsewhere: which of them may be written, and as what path."""

from __future__ import annotations

import fcntl
import hashlib
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.utils.translation import gettext as _

from workspaces.errors import Invalid

MAX_PATH = 1_000  # bytes; MLflow and artifact stores keep paths in columns and keys
MAX_NAME = 255  # bytes of one name on Linux
JUNK = {".DS_Store", "Thumbs.db"}  # what file managers leave, no part of any model
JUNK_FOLDERS = {"__MACOSX"}


def path_clean(path: str) -> str:
    """A relative path with "/", "" for the folder itself; `./a` is `a`.

    Raises:
        Invalid: it is absolute, leads upwards, or has a name that no file should have; the message
            names the entry.
    """
    shown = shown_name(path)
    if path != path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"):
        raise Invalid(_("The file name %(path)s is not UTF-8.") % {"path": shown})
    if path.startswith("/"):
        raise Invalid(_("The path %(path)s is absolute.") % {"path": shown})
    if not path.isprintable():
        text = _("The file name %(path)s has line breaks or control characters.")
        raise Invalid(text % {"path": shown})
    if "\\" in path:
        raise Invalid(_("The file name %(path)s has a backslash; use “/”.") % {"path": shown})
    names = [name for name in path.split("/") if name not in {"", "."}]
    if ".." in names:
        raise Invalid(_("The path %(path)s leads out of the model's folder.") % {"path": shown})
    clean = "/".join(names)
    if len(clean.encode()) > MAX_PATH or any(len(name.encode()) > MAX_NAME for name in names):
        raise Invalid(_("The path %(path)s is too long.") % {"path": shown})
    return clean


def is_junk(path: str) -> bool:
    """Whether a file manager left it beside the model."""
    names = path.split("/")
    return names[-1] in JUNK or names[0] in JUNK_FOLDERS


def shown_name(path: str) -> str:
    """A name as a sentence can hold it: bounded, quoted where it must be, always text."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= 200 else f"{text[:100]}…{text[-100:]}"


def too_many(most: int) -> Invalid:
    """What a model of more files is refused with."""
    text = _("There are more than %(count)s files; SLIPWAY_MAX_FILES sets how many may be.")
    return Invalid(text % {"count": most})


class Names:
    """The paths of one model, each given once.

    Args:
        most: how many files there may be.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.files: set[str] = set()
        self.folders: set[str] = set()

    def add(self, path: str) -> None:
        """Take a clean path of a file.

        Raises:
            Invalid: there are too many, it is there already, or it is a folder's and a file's.
        """
        if len(self.files) >= self.most:
            raise too_many(self.most)
        above = list(_above(path))
        if path in self.files:
            raise Invalid(_("The file %(path)s is there twice.") % {"path": shown_name(path)})
        if path in self.folders or not self.files.isdisjoint(above):
            text = _("%(path)s is both a file and a folder.")
            raise Invalid(text % {"path": shown_name(path)})
        self.files.add(path)
        self.folders.update(above)


@contextmanager
def name_held(folder: Path, name: str) -> Iterator[None]:
    """Have the name of a model to oneself, among the processes of this node.

    Args:
        folder: of the studio's own, for lock files. There are 256 of them, whatever the names.
    """
    locks = folder / "names"
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:2]
    with (locks / part).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _above(path: str) -> list[str]:
    found = []
    while path := posixpath.dirname(path):
        found.append(path)
    return found
