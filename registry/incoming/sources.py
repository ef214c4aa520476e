"""Files that are here already: artifacts of runs, and folders that the administrator allows."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from registry.files import chunks
from registry.incoming.staging import StagedFile, Staging
from registry.names import shown_name
from workspaces.errors import Invalid, NotFound
from workspaces.tracking.artifacts import artifact_open
from workspaces.tracking.models.files import ModelFolder, join_uri
from workspaces.tracking.values import Run


def artifact_copy(staging: Staging, run: Run, path: str) -> list[StagedFile]:
    """Copy an artifact of a run, a file or a folder; a folder keeps its name.

    Args:
        path: clean and not empty.
    Raises:
        NotFound: the run has no such artifact. Invalid. Unavailable.
    """
    name = posixpath.basename(path)
    try:
        opened = artifact_open(run.artifact_uri, path)
    except NotFound:  # a folder, or nothing
        return _folder_copy(staging, run, path, name)
    try:
        return [staging.add(name, iter(opened))]
    finally:
        opened.close()


def _folder_copy(staging: Staging, run: Run, path: str, name: str) -> list[StagedFile]:
    folder = ModelFolder(join_uri(run.artifact_uri, path))
    found = []
    for item in folder.files():
        with folder.open(item.path) as stream:
            found.append(staging.add(f"{name}/{item.path}", chunks(stream)))
    if not found:
        raise NotFound(_("The run has no artifact %(path)s.") % {"path": shown_name(path)})
    return found


def server_path_copy(staging: Staging, path: str) -> list[StagedFile]:
    """Copy a file or a folder of this machine; a folder keeps its name.

    Raises:
        Invalid: on `server_path`: it does not exist, is no file or folder, or lies, by itself or by
            a link in it, outside of the folders of SLIPWAY_MODEL_PATHS.
    """
    top = _allowed(path)
    if top.is_file():
        return [_copy_one(staging, top, top.name)]
    found = []
    for relative, real in _walk(top):
        found.append(_copy_one(staging, real, f"{top.name}/{relative}"))
    if not found:
        raise _refused(_("The folder %(path)s has no files.") % {"path": shown_name(path)})
    return found


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, fields={"server_path": [sentence]})


def _allowed(path: str) -> Path:
    if not settings.SLIPWAY.model_paths:
        raise _refused(
            _("This studio registers no files of its server: SLIPWAY_MODEL_PATHS lists no folder.")
        )
    if not path.startswith("/") or "\x00" in path:
        raise _refused(_("Give the whole path on the server, from “/” on."))
    try:
        real = Path(path).resolve(strict=True)
        is_there = real.is_file() or real.is_dir()
    except (OSError, RuntimeError, ValueError):
        is_there = False
    # one answer for what is absent and what is not allowed: nobody learns what else is there
    if not is_there or not _is_below(real):
        text = _("There is no %(path)s below the folders that the administrator allows: %(roots)s.")
        roots = ", ".join(str(root) for root in settings.SLIPWAY.model_paths)
        raise _refused(text % {"path": shown_name(path), "roots": roots})
    return real


def _is_below(real: Path) -> bool:
    return any(real.is_relative_to(root) for root in settings.SLIPWAY.model_paths)


def _walk(top: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a folder with its real path. Links to folders are not followed."""
    for folder, names, files in os.walk(top, followlinks=False):
        names.sort()
        for name in sorted([*files, *(n for n in names if Path(folder, n).is_symlink())]):
            named = Path(folder, name)
            relative = named.relative_to(top).as_posix()
            shown = shown_name(relative)
            try:
                real = named.resolve(strict=True)
            except (OSError, RuntimeError):
                raise _refused(_("The link %(path)s leads nowhere.") % {"path": shown}) from None
            if not _is_below(real):
                text = _("The link %(path)s leaves the folders that the administrator allows.")
                raise _refused(text % {"path": shown})
            if not real.is_file():
                text = _("%(path)s is no plain file; links to folders are not followed.")
                raise _refused(text % {"path": shown})
            yield relative, real


def _copy_one(staging: Staging, real: Path, path: str) -> StagedFile:
    # without O_NONBLOCK opening a pipe that took the file's place would wait for ever
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refused(_("%(path)s is no plain file.") % {"path": shown_name(path)})
        return staging.add(path, chunks(stream))
