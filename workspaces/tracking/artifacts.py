"""Artifacts of runs and the models they logged: listing, reading, describing.

The same gateway as `workspaces.tracking`, for files. Paths are relative, with "/" between names,
taken literally (never decoded again) and never leave the run's or the model's own folder.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import yaml
from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Invalid, NotFound, Problem, Unavailable
from workspaces.tracking import run_get
from workspaces.tracking.store.opening import (
    artifact_repository,
    http_artifact,
    mlflow_errors,
    stores,
)
from workspaces.tracking.values import (
    LEGACY_MODELS,
    Artifact,
    Column,
    ModelCard,
    Run,
    RunModel,
)
from workspaces.yaml_guard import yaml_load

CHUNK = 256 * 1024
MOST_ENTRIES = 2_000  # of one folder
LARGEST_DESCRIPTION = 2_000_000  # bytes of MLmodel, requirements, input example


@dataclass
class OpenArtifact:
    """A file being read; close it or read it to its end. `size` is None when not told."""

    size: int | None
    _chunks: Iterator[bytes]
    _release: Callable[[], None] | None = None  # also when nothing was read
    _handle: IO[bytes] | None = None  # of a file that lies here

    @property
    def has_parts(self) -> bool:
        """Whether `part` can be read: the file lies here, so nothing is fetched for it."""
        return self._handle is not None and self.size is not None

    def part(self, first: int, length: int) -> Iterator[bytes]:
        """`length` bytes from the byte `first` on; closes the file at its end. See `has_parts`."""
        handle = self._handle
        if handle is None:
            raise ValueError("only a file that lies here has parts")
        with handle:
            handle.seek(first)
            while length > 0 and (chunk := handle.read(min(CHUNK, length))):
                length -= len(chunk)
                yield chunk

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def read(self, limit: int) -> bytes:
        """At most `limit` bytes from the start; closes the file."""
        parts: list[bytes] = []
        have = 0
        try:
            for chunk in self._chunks:
                parts.append(chunk)
                have += len(chunk)
                if have >= limit:
                    break
        finally:
            self.close()
        return b"".join(parts)[:limit]

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        if self._release is not None:
            self._release()


def artifact_path_clean(path: str) -> str:
    """A path that stays inside its folder, "" for the folder itself.

    Raises:
        Invalid: absolute, with "..", a backslash, a NUL or an empty name.
    """
    names = path.split("/") if path else []
    wrong = path.startswith("/") or "\\" in path or "\x00" in path or len(path) > 2_000
    if wrong or any(name in {"", ".", ".."} for name in names):
        message = _("%(path)s is not a path of an artifact.") % {"path": repr(path[:200])}
        raise Invalid(message, fields={"path": [message]})
    return path


def artifacts_list(artifact_uri: str, path: str = "") -> tuple[tuple[Artifact, ...], bool]:
    """Entries of one folder, folders first.

    Returns: the entries and whether all are there (no more than 2,000 are read).
    Raises: Invalid (path), NotFound, Unavailable.
    """
    path = artifact_path_clean(path)
    repository = artifact_repository(artifact_uri)
    local = _local_folder(repository)
    if local is not None:
        found = _list_folder(local, path)
    else:
        with mlflow_errors(subject=_("This folder")):
            rows = repository.list_artifacts(path or None)
            found = [Artifact(row.path, row.is_dir, row.file_size) for row in rows]
    found.sort(key=lambda entry: (not entry.is_folder, entry.path.lower()))
    return tuple(found[:MOST_ENTRIES]), len(found) <= MOST_ENTRIES


def artifact_open(artifact_uri: str, path: str) -> OpenArtifact:
    """Opens one file for streaming with flat memory.

    Raises: Invalid (path), NotFound (also for a folder), Unavailable.
    """
    path = artifact_path_clean(path)
    if not path:
        raise NotFound(_("This is a folder, not a file."))
    repository = artifact_repository(artifact_uri)
    local = _local_folder(repository)
    if local is not None:
        file = _inside(local, path)
        if not file.is_file():
            raise NotFound(_("There is no file %(path)s.") % {"path": path})
        with mlflow_errors(subject=path):
            return _from_file(file.open("rb"), file.stat().st_size)
    if settings.SLIPWAY.tracking_is_remote and hasattr(repository, "_host_creds"):
        with mlflow_errors(subject=path):
            answer = http_artifact(repository, path)
        length = answer.headers.get("Content-Length", "")
        plain = not answer.headers.get("Content-Encoding")
        size = int(length) if length.isdigit() and plain else None
        return OpenArtifact(size, _body(answer), answer.close)
    return _downloaded(repository, path)


def _local_folder(repository: Any) -> Path | None:
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    if isinstance(repository, LocalArtifactRepository):
        return Path(repository.artifact_dir)
    return None


def _inside(folder: Path, path: str) -> Path:
    """The file meant by `path`, refused when a symbolic link leads out of the artifact root."""
    try:
        file = (folder / path).resolve()
        file.exists()  # a name can be too long for the file system
        inside = file.is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:
        raise NotFound(_("There is no file %(path)s.") % {"path": path[:200]}) from error
    if not inside:
        raise NotFound(_("There is no file %(path)s.") % {"path": path})
    return file


def _list_folder(folder: Path, path: str) -> list[Artifact]:
    here = _inside(folder, path)
    if not here.exists() and not path:
        return []  # a run that logged no artifact has no folder
    if not here.is_dir():
        raise NotFound(_("There is no folder %(path)s.") % {"path": path})
    found = []
    try:
        for entry in here.iterdir():
            if entry.is_symlink() and not entry.resolve().is_relative_to(folder.resolve()):
                continue
            is_folder = entry.is_dir()
            relative = f"{path}/{entry.name}" if path else entry.name
            found.append(Artifact(relative, is_folder, None if is_folder else entry.stat().st_size))
    except OSError as error:
        raise Unavailable(_("The artifacts cannot be read: %(why)s.") % {"why": error}) from error
    return found


def _from_file(handle: IO[bytes], size: int) -> OpenArtifact:
    def chunks() -> Iterator[bytes]:
        with handle:
            while chunk := handle.read(CHUNK):
                yield chunk

    return OpenArtifact(size, chunks(), handle.close, handle)


def _body(answer: Any) -> Iterator[bytes]:
    with contextlib.closing(answer), mlflow_errors():
        yield from answer.iter_content(CHUNK)


def _downloaded(repository: Any, path: str) -> OpenArtifact:
    """Object stores: MLflow reads them only into a file, which lives as long as the stream."""
    tmp = settings.DATA.tmp
    tmp.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="artifact-", dir=tmp))
    try:
        with mlflow_errors(subject=path):
            file = Path(repository.download_artifacts(path, dst_path=str(folder)))
            size = file.stat().st_size
    except Problem:
        shutil.rmtree(folder, ignore_errors=True)
        raise

    def chunks() -> Iterator[bytes]:
        try:
            with file.open("rb") as handle:
                while chunk := handle.read(CHUNK):
                    yield chunk
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return OpenArtifact(size, chunks(), lambda: shutil.rmtree(folder, ignore_errors=True))


# --- models --------------------------------------------------------------------------------


def run_models(run: Run | str, *, signatures: bool = False) -> tuple[RunModel, ...]:
    """The models a run logged: MLflow 3's logged models first, then those kept as artifacts.

    Args:
        signatures: also read each model's files to fill `has_signature`; costs one read each.
    """
    run = run_get(run) if isinstance(run, str) else run
    logged = [model for model_id in run.model_ids if (model := _logged_model(model_id))]
    known = {model.path for model in logged}
    models = logged + [model for model in _legacy_models(run) if model.path not in known]
    if signatures:
        models = [_with_signature(model) for model in models]
    return tuple(models)


def _logged_model(model_id: str) -> RunModel | None:
    store, _registry = stores()
    try:
        with mlflow_errors(subject=_("This model")):
            entity = store.get_logged_model(model_id)
    except NotFound:
        return None  # deleted since
    return RunModel(
        name=entity.name,
        path=entity.name,
        uri=f"models:/{entity.model_id}",
        artifact_uri=entity.artifact_location,
        model_id=entity.model_id,
        status=str(getattr(entity.status, "value", entity.status)),
    )


def _legacy_models(run: Run) -> list[RunModel]:
    try:
        rows = json.loads(run.tags.get(LEGACY_MODELS, "[]"))
        paths = [str(row["artifact_path"]) for row in rows if not row.get("model_id")]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    return [
        RunModel(
            name=path.rsplit("/", 1)[-1],
            path=path,
            uri=f"runs:/{run.id}/{path}",
            artifact_uri=f"{run.artifact_uri.rstrip('/')}/{path}",
        )
        for path in dict.fromkeys(paths)
        if path and ".." not in path.split("/")
    ]


def _with_signature(model: RunModel) -> RunModel:
    try:
        return replace(model, has_signature=model_card(model).has_signature)
    except Problem:
        return model


def model_card(model: RunModel) -> ModelCard:
    """What the model's own files say: flavours, signature, requirements, input example.

    Raises: NotFound when there is no readable MLmodel file; Unavailable.
    """
    entries, _complete = artifacts_list(model.artifact_uri)
    try:
        meta = yaml_load(_small_file(model, "MLmodel"), yaml.SafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise NotFound(_("The MLmodel file of this model cannot be read.")) from error
    if not isinstance(meta, dict):
        raise NotFound(_("The MLmodel file of this model cannot be read."))
    names = {entry.path for entry in entries}
    raw = _mapping(meta.get("flavors"))
    flavors = {str(name): _mapping(raw[name]) for name in raw}
    signature = _mapping(meta.get("signature"))
    return ModelCard(
        flavors=flavors,
        inputs=_columns(signature.get("inputs")),
        outputs=_columns(signature.get("outputs")),
        params=_columns(signature.get("params")),
        has_signature=bool(signature),
        requirements=_requirements(model, names),
        python_version=str(flavors.get("python_function", {}).get("python_version", "")),
        mlflow_version=str(meta.get("mlflow_version") or ""),
        input_example=_input_example(model, meta, names),
        size_bytes=_whole(meta.get("model_size_bytes")),
        created_at=str(meta.get("utc_time_created") or "")[:19],
        files=entries,
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _small_file(model: RunModel, path: str) -> str:
    return (
        artifact_open(model.artifact_uri, path).read(LARGEST_DESCRIPTION).decode("utf-8", "replace")
    )


def _requirements(model: RunModel, names: set[str]) -> tuple[str, ...]:
    if "requirements.txt" not in names:
        return ()
    lines = (line.strip() for line in _small_file(model, "requirements.txt").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _input_example(model: RunModel, meta: dict[str, Any], names: set[str]) -> str:
    info = _mapping(meta.get("saved_input_example_info"))
    wanted = (info.get("serving_input_path"), info.get("artifact_path"), "input_example.json")
    path = next((str(p) for p in wanted if str(p) in names), None)
    if path is None:
        return ""
    text = _small_file(model, path)
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _columns(raw: object) -> tuple[Column, ...]:
    """The columns of one side of a signature, as MLflow writes it: a list in JSON text."""
    try:
        rows = json.loads(raw) if isinstance(raw, str) else []
    except ValueError:
        return ()
    if not isinstance(rows, list):
        return ()
    return tuple(
        Column(
            name=str(row.get("name", "") if row.get("name") is not None else ""),
            type=_type_text(row),
            required=bool(row.get("required", True)),
        )
        for row in rows
        if isinstance(row, dict)
    )


def _type_text(row: dict[str, Any]) -> str:
    """A short text for a column's, a parameter's or a tensor's type."""
    tensor = row.get("tensor-spec")
    if isinstance(tensor, dict):
        shape = ", ".join("any" if n == -1 else str(n) for n in tensor.get("shape", []))
        return f"{tensor.get('dtype', 'tensor')} ({shape})"
    kind = str(row.get("type") or row.get("dtype") or "any")
    items = row.get("items")
    if kind == "array" and isinstance(items, dict):
        return f"array of {_type_text(items)}"
    return kind
