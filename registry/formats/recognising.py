"""Recognises what a model's files are, by their names and bytes alone. Nothing is ever executed.

Files come from anybody: a file that cannot be understood is "custom", never an exception.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from registry.formats import boosting, onnx, pickles, zips
from registry.formats.reading import Read, Unreadable

MAX_CANDIDATES = 200  # files looked into; a model of more parts is no single model file
HEAD = 4096
HDF5 = b"\x89HDF\r\n\x1a\n"
SIDE_FILES = (".md", ".yaml", ".yml", ".toml", ".cfg", ".csv", ".py", ".ipynb", ".png")


@dataclass(frozen=True)
class Kind:
    """A format of model files. `framework` is Azure ML's word where it has one."""

    title: str
    framework: str
    wrapped: bool = False  # an MLmodel can honestly be written beside such files


KINDS: dict[str, Kind] = {
    "mlflow": Kind(gettext_noop("MLflow model"), "Custom"),
    "onnx": Kind("ONNX", "Onnx", wrapped=True),
    "sklearn-pickle": Kind(gettext_noop("scikit-learn, pickle"), "ScikitLearn", wrapped=True),
    "sklearn-joblib": Kind(gettext_noop("scikit-learn, joblib"), "ScikitLearn", wrapped=True),
    "sklearn-skops": Kind(gettext_noop("scikit-learn, skops"), "ScikitLearn", wrapped=True),
    "xgboost": Kind("XGBoost", "XGBoost", wrapped=True),
    "lightgbm": Kind("LightGBM", "LightGBM", wrapped=True),
    "pytorch": Kind("PyTorch", "PyTorch"),
    "tensorflow": Kind("TensorFlow SavedModel", "TensorFlow"),
    "keras": Kind("Keras", "TfKeras"),
    "multi": Kind(gettext_noop("Several models"), "Multi"),
    "custom": Kind(gettext_noop("Custom"), "Custom"),
}
FRAMEWORKS = tuple(dict.fromkeys(kind.framework for kind in KINDS.values()))


@dataclass(frozen=True)
class Found:
    """What files are.

    Args:
        format: a key of KINDS.
        version: of the framework, "" when the bytes do not tell.
        path: of the one file that is the model; "" where the folder is, or several files are.
        facts: what writing an MLmodel needs to know, JSON-able; by format.
        problem: why no MLmodel can be written beside these files, "" when it can or none is needed.
    """

    format: str
    version: str = ""
    path: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def kind(self) -> Kind:
        return KINDS[self.format]

    @property
    def wraps(self) -> bool:
        """Whether an MLmodel can honestly be written beside the files."""
        return self.kind.wrapped and bool(self.path) and not self.problem


def recognise(files: Iterable[tuple[str, int]], read: Read) -> Found:
    """Say what the files of a model are.

    Args:
        files: path and size in bytes of each, paths relative with "/".
        read: gives bytes of a file, see `registry.formats.reading.Read`.
    """
    sizes = dict(files)
    if "MLmodel" in sizes:
        return Found("mlflow")
    saved = _saved_model(sizes)
    if saved is not None:
        return saved
    candidates = [path for path in sorted(sizes) if _may_be_model(path)][:MAX_CANDIDATES]
    found = [item for path in candidates if (item := _file(path, sizes[path], read)) is not None]
    if not found:
        return Found("custom")
    if len(found) == 1:
        return found[0]
    if len({item.format for item in found}) == 1:
        words = {"count": len(found), "kind": _(found[0].kind.title)}
        text = _("There are %(count)s model files here (%(kind)s).") % words
        return Found(found[0].format, found[0].version, problem=text)
    return Found("multi", problem=_("There are model files of several formats here."))


def _may_be_model(path: str) -> bool:
    return not path.lower().endswith(SIDE_FILES)


def _saved_model(sizes: dict[str, int]) -> Found | None:
    for path in sorted(sizes):
        folder, name = posixpath.split(path)
        if name in {"saved_model.pb", "saved_model.pbtxt"}:
            keras = posixpath.join(folder, "keras_metadata.pb") in sizes
            return Found("keras" if keras else "tensorflow")
    return None


def _file(path: str, size: int, read: Read) -> Found | None:
    """What one file is; None when it is no model that is known."""
    try:
        head = read(path, 0, HEAD)
        for look in (_by_zip, _by_hdf5, _by_onnx, _by_boosting, _by_pickle):
            found = look(path, size, head, read)
            if found is not None:
                return found
    except Unreadable:
        return None
    return None


def _by_zip(path: str, size: int, head: bytes, read: Read) -> Found | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    found = zips.look(path, size, read)
    if found is None:
        return None
    return Found(found.format, found.version, path, found.facts, found.problem)


def _by_hdf5(path: str, size: int, head: bytes, read: Read) -> Found | None:
    if not head.startswith(HDF5) or not path.lower().endswith((".h5", ".hdf5", ".keras")):
        return None
    return Found("keras", zips.hdf5_keras_version(path, read), path)


def _by_onnx(path: str, size: int, head: bytes, read: Read) -> Found | None:
    if not path.lower().endswith(".onnx"):
        return None
    facts = onnx.look(path, size, read)
    return Found("onnx", facts.pop("version"), path, facts)


def _by_boosting(path: str, size: int, head: bytes, read: Read) -> Found | None:
    facts = boosting.look(path, size, head, read)
    if facts is None:
        return None
    return Found(facts.pop("format"), facts.pop("version"), path, facts)


def _by_pickle(path: str, size: int, head: bytes, read: Read) -> Found | None:
    if pickles.is_torch(head):
        return Found("pytorch", "", path)
    found = pickles.look(path, size, head, read)
    if found is None:
        return None
    return Found(found.format, found.version, path, found.facts, found.problem)
