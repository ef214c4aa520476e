"""Where a script finds its models: AZUREML_MODEL_DIR and Model.get_model_path.

    <root>/azureml-models/<name>/<version>/<the model's files, or the folder that they were in>

AZUREML_MODEL_DIR is `<root>/azureml-models/<name>/<version>` for one model and
`<root>/azureml-models` for several or none. Folders are real and small files are copied, as MLflow
loads nothing by a link that leads out of its folder; larger files are links to the stored models.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from serving.contract import ModelFolder, ReplicaConfig

MODELS_FOLDER = "azureml-models"
MLFLOW_NAME = "model"  # a run's folder is mostly logged under this name, and v1 kept it
ENTRIES_FOLDER = "azureml-entries"  # links name what get_model_path answers where there is more
MAX_TREE_LINES = 200
MAX_COPY = 65_536  # bytes of a file that is copied, such as MLmodel


def models_of(config: ReplicaConfig) -> list[ModelFolder]:
    """Return the models of a replica: those it lists, else the one of `model_dir`."""
    if "models" in config:
        return config["models"]
    if not config["model_dir"]:
        return []
    name, version = config["model_name"] or "model", config["model_version"] or "0"
    return [{"name": name, "version": version, "path": config["model_dir"]}]


def lay_out(models: list[ModelFolder], root: Path) -> Path:
    """Make the links below `root` and return the folder for AZUREML_MODEL_DIR.

    Several workers may do so at once. Raises FileNotFoundError for a model that is not there.
    """
    top = root / MODELS_FOLDER
    top.mkdir(parents=True, exist_ok=True)
    for model in models:
        entry = _lay_out_one(model, _version_dir(top, model))
        if entry:
            link = _version_dir(root / ENTRIES_FOLDER, model)
            link.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                link.symlink_to(entry)
    return _version_dir(top, models[0]) if len(models) == 1 else top


def _version_dir(top: Path, model: ModelFolder) -> Path:
    return top / _safe(model["name"]) / _safe(model["version"])


def _safe(name: str) -> str:
    quoted = quote(name, safe=" !#$&'()+,;=@[]{}^`~")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def _lay_out_one(model: ModelFolder, folder: Path) -> str:
    """Place one model; the name of its entry where what was written for it lies beside."""
    path = Path(model["path"]).resolve(strict=True)
    folder.mkdir(parents=True, exist_ok=True)
    named = _one_name(model.get("folder", ""))
    if path.is_file():
        _place(folder / path.name, path)
    elif not (path / "MLmodel").is_file():
        _place(folder / named if named else folder, path)
    else:
        _place(folder, path)
        placed = [name for name in {named, MLFLOW_NAME} if name and not (path / name).exists()]
        for name in placed:  # as v1 kept it
            _place(folder / name, path)
        entry = _one_name(model.get("entry", ""))
        return named if named in placed else entry if (path / entry).is_file() else ""
    return ""


def _one_name(name: str) -> str:
    """The name of one file or folder, as it is where it can lead nowhere else."""
    return _safe(name) if "/" in name or name in {".", ".."} else name


def _place(place: Path, source: Path) -> None:
    """Let a file or a folder be found at `place`; what is there already stays."""
    if source.is_dir():
        place.mkdir(exist_ok=True)
        for entry in source.iterdir():
            _place(place / entry.name, entry)
        return
    with contextlib.suppress(FileExistsError):  # by another worker, or an earlier one
        if source.stat().st_size > MAX_COPY:
            place.symlink_to(source)
        elif not place.exists():
            _copy(place, source)


def _copy(place: Path, source: Path) -> None:
    """Copy whole or not at all, whoever else does the same."""
    partial = place.with_name(f".{place.name[:200]}.{os.getpid()}")
    shutil.copyfile(source, partial)
    partial.replace(place)


def model_path(name: str, version: str | int | None, roots: list[Path]) -> str:
    """Return the path of a model's only file or folder.

    Looks below each of `roots` for azureml-models/<name>/<version, or the latest>, then in the
    working folder for <name>. Raises FileNotFoundError with what there is instead.
    """
    for root in roots:
        folder = root / MODELS_FOLDER / _safe(name)
        if not folder.is_dir():
            continue
        chosen = str(version) if version is not None else _latest(folder)
        if chosen is not None and (folder / _safe(chosen)).is_dir():
            link = root / ENTRIES_FOLDER / _safe(name) / _safe(chosen)
            if link.is_symlink():
                return str(folder / _safe(chosen) / link.readlink())
            return str(_only_entry(folder / _safe(chosen)))
    if version is None and Path(name).exists():
        return name
    found = sorted(str(path) for root in roots for path in root.glob(f"{MODELS_FOLDER}/*/*"))
    wanted = name if version is None else f"{name} version {version}"
    raise FileNotFoundError(f"There is no model {wanted}; there are: {', '.join(found) or 'none'}")


def _latest(folder: Path) -> str | None:
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    return max(names, key=lambda n: (n.isdigit(), int(n) if n.isdigit() else 0, n), default=None)


def _only_entry(folder: Path) -> Path:
    if (folder / "MLmodel").is_file():  # the folder is the model itself
        return folder
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if len(entries) != 1:
        names = ", ".join(entry.name for entry in entries) or "nothing"
        raise FileNotFoundError(f"{folder} must hold exactly one file or folder; it holds {names}")
    return entries[0]


def tree(folder: Path, limit: int = MAX_TREE_LINES) -> str:
    """Return what is in a folder, one indented line each, at most `limit` lines."""
    lines: list[str] = []
    for line in _lines(folder, 0, set()):
        if len(lines) == limit - 1:
            lines.append("… and more")
            break
        lines.append(line)
    return "\n".join(lines)


def _lines(folder: Path, depth: int, above: set[str]) -> Iterator[str]:
    yield "    " * depth + folder.name + "/"
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield "    " * (depth + 1) + f"({error.strerror})"
        return
    real = os.path.realpath(folder)
    for entry in entries:
        if entry.is_dir() and real not in above:
            yield from _lines(folder / entry.name, depth + 1, above | {real})
        else:
            yield "    " * (depth + 1) + entry.name
