"""Where the files of a model lie, and reading them: from a folder here or an artifact store.

A folder of model files is `ModelFolder`; paths in it are relative, with "/", and have been checked
to stay inside.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Invalid, NotFound, Unavailable
from workspaces.tracking.store.opening import (
    ELSEWHERE,
    artifact_repository,
    local_path,
    mlflow_errors,
    stores,
)

ADDED_FILES = 10  # that the studio itself puts beside an upload
MAX_REDIRECTIONS = 5


@dataclass(frozen=True)
class ModelFile:
    """One file of a model. `size` in bytes; None when the store does not tell."""

    path: str
    size: int | None


class ModelFolder:
    """The folder of files that a URI of MLflow names.

    Args:
        uri: `models:/m-…`, `models:/NAME/VERSION`, `runs:/…` or a place of artifacts.
    Raises:
        NotFound: the URI names a run or model that is gone.
        Unavailable: the files lie where this studio may not read.
    """

    def __init__(self, uri: str) -> None:
        self.uri = _resolved(uri)
        self._repository = artifact_repository(self.uri)  # refuses what may not be read
        folder = getattr(self._repository, "artifact_dir", None)  # only local repositories have it
        self._local = local_path(folder) if folder else None

    @property
    def is_local(self) -> bool:
        """Whether files are opened here, so that a part of one can be read alone."""
        return self._local is not None

    def files(self) -> Iterator[ModelFile]:
        """Every file below, in no particular order.

        Raises:
            Invalid: a link leaves the folder, a name does, or there are too many files.
            NotFound: there is no such folder.
        """
        found = self._walk_local("", ()) if self._local is not None else self._walk_remote("")
        for number, item in enumerate(found):
            if number >= settings.SLIPWAY.max_files + ADDED_FILES:
                most = settings.SLIPWAY.max_files
                raise Invalid(_("The model has more than %(count)s files.") % {"count": most})
            _check_text(item.path)
            yield item

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file; None when there is none.

        Raises:
            Invalid: it is longer than `limit` bytes.
        """
        try:
            with self.open(path) as stream:
                data = stream.read(limit + 1)
        except NotFound:
            return None
        if len(data) > limit:
            raise Invalid(
                _("The file %(path)s is larger than %(limit)s bytes.")
                % {"path": path, "limit": limit}
            )
        return data

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open one file for reading. Raises: NotFound, Invalid for what is not a plain file."""
        if self._local is not None:
            with self._open_local(path) as stream:
                yield stream
            return
        folder = tempfile.mkdtemp(dir=_temporary())
        try:
            target = Path(folder, "file")
            with mlflow_errors(subject=path):
                self._repository._download_file(path, str(target))
            with target.open("rb") as stream:
                yield stream
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _walk_local(self, path: str, above: tuple[Path, ...]) -> Iterator[ModelFile]:
        here = self._inside(path)
        if here in above:
            raise Invalid(_("The link %(path)s leads to a folder above it.") % {"path": path})
        try:
            names = sorted(entry.name for entry in here.iterdir())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(_("The folder of the model's files is gone.")) from error
        for name in names:
            inner = posixpath.join(path, name)
            facts = self._inside(inner).stat()
            if stat.S_ISDIR(facts.st_mode):
                yield from self._walk_local(inner, (*above, here))
            elif stat.S_ISREG(facts.st_mode):
                yield ModelFile(inner, facts.st_size)
            else:
                raise Invalid(_("%(path)s is not a plain file.") % {"path": inner})

    def _inside(self, path: str) -> Path:
        """The real path of an entry; links may point to other places of the same folder."""
        assert self._local is not None
        top = self._local.resolve()
        named = top / path
        real = named.resolve()
        if not real.is_relative_to(top):
            raise Invalid(_("The link %(path)s leaves the model's folder.") % {"path": path})
        if path and not real.exists():
            kind = Invalid if named.is_symlink() else NotFound
            raise kind(_("%(path)s does not exist.") % {"path": path})
        return real

    def _open_local(self, path: str) -> BinaryIO:
        # without O_NONBLOCK opening a pipe would wait for ever
        descriptor = os.open(self._inside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Invalid(_("%(path)s is not a plain file.") % {"path": path})
        return os.fdopen(descriptor, "rb")

    def _walk_remote(self, path: str) -> Iterator[ModelFile]:
        with mlflow_errors(subject=_("The folder of the model's files")):
            rows = list(self._repository.list_artifacts(path or None))
        for row in rows:
            inner = _checked(row.path, path)
            if row.is_dir:
                yield from self._walk_remote(inner)
            else:
                yield ModelFile(inner, _size(row.file_size))


def model_folder_exists(uri: str) -> bool:
    """Whether there is an MLmodel file at a URI. Raises: Unavailable."""
    try:
        return ModelFolder(uri).read("MLmodel", 10_000_000) is not None
    except (NotFound, Invalid):
        return False


def files_exist(uri: str) -> bool:
    """Whether there is any file at a URI; True where the studio may not look.

    Raises:
        Unavailable: MLflow or its artifacts do not answer.
    """
    try:
        return next(ModelFolder(uri).files(), None) is not None
    except NotFound:
        return False
    except Invalid:
        return True  # something is there, though not what can be served
    except Unavailable as error:
        if error.code == ELSEWHERE:
            return True
        raise


def folders_at(uri: str) -> list[str]:
    """Names of the folders directly below a URI; none when it does not exist."""
    try:
        folder = ModelFolder(uri)
        with mlflow_errors():
            rows = list(folder._repository.list_artifacts(None))
    except NotFound:
        return []
    return sorted(row.path for row in rows if row.is_dir)


def join_uri(root: str, path: str) -> str:
    """Append a relative path to a URI; the result never leaves the root."""
    relative = posixpath.normpath("/" + path.strip("/"))[1:]
    return f"{root.rstrip('/')}/{relative}" if relative else root


def _resolved(uri: str) -> str:
    for _step in range(MAX_REDIRECTIONS):
        scheme = urlsplit(uri).scheme.lower()
        if scheme == "models":
            uri = _of_model(urlsplit(uri).path.strip("/"))
        elif scheme == "runs":
            run_id, _slash, path = urlsplit(uri).path.strip("/").partition("/")
            with mlflow_errors(subject=_("The run that the files belong to")):
                uri = join_uri(stores()[0].get_run(run_id).info.artifact_uri, path)
        else:
            return uri
    raise Invalid(_("The location of the model's files refers to itself."))


def _of_model(name: str) -> str:
    tracking, registry = stores()
    with mlflow_errors(subject=_("The model that the files belong to")):
        if "/" not in name:
            return str(tracking.get_logged_model(name).artifact_location)
        model, _slash, version = name.rpartition("/")
        return str(registry.get_model_version_download_uri(unquote(model), version))


def _checked(path: Any, parent: str) -> str:
    """A name that an artifact store told us; it must lie directly below `parent`."""
    text = str(path)
    name = posixpath.basename(text)
    if posixpath.dirname(text) != parent or name in {"", ".", ".."} or "\x00" in text:
        raise Invalid(_("The artifact store lists a file outside the model's folder."))
    return text


def _check_text(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        shown = path.encode(errors="replace").decode()
        raise Invalid(_("The file name %(path)s is not UTF-8.") % {"path": shown}) from error


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _temporary() -> str:
    folder = settings.SLIPWAY.data.tmp
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
