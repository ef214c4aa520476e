"""Entry scripts to start from: the echo, one for each format of models, and the other forms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

FOLDER = "templates_text"
TITLES = {  # name of the file -> what a person chooses
    "echo": gettext_noop("Echo: answers with what it was sent"),
    "sklearn": gettext_noop("scikit-learn (joblib, pickle)"),
    "skops": gettext_noop("scikit-learn (skops)"),
    "onnx": gettext_noop("ONNX Runtime"),
    "pytorch": gettext_noop("PyTorch (TorchScript)"),
    "tensorflow": gettext_noop("TensorFlow SavedModel"),
    "keras": gettext_noop("Keras"),
    "xgboost": gettext_noop("XGBoost"),
    "lightgbm": gettext_noop("LightGBM"),
    "two_models": gettext_noop("Several models"),
    "schema": gettext_noop("Parameters by name (inference-schema)"),
    "rawhttp": gettext_noop("The request itself (rawhttp)"),
}

FORMATS = {  # format of a version's files -> the template that loads them
    "sklearn-pickle": "sklearn",
    "sklearn-joblib": "sklearn",
    "sklearn-skops": "skops",
    "onnx": "onnx",
    "pytorch": "pytorch",
    "tensorflow": "tensorflow",
    "keras": "keras",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
}


@dataclass(frozen=True)
class Template:
    name: str
    title: str
    text: str


@lru_cache(maxsize=1)
def _texts() -> dict[str, str]:
    folder = resources.files("registry.scripts") / FOLDER
    return {name: (folder / f"{name}.py.txt").read_text(encoding="utf-8") for name in TITLES}


def templates() -> list[Template]:
    """All of them, in the order in which they are shown."""
    return [Template(name, _(title), _texts()[name]) for name, title in TITLES.items()]


def template_for(format: str, paths: Iterable[str] = ()) -> Template:
    """The one that loads files of a format; the echo where there is none.

    Args:
        paths: of the files. Keras 3 cannot load the SavedModel folders that Keras 2 wrote, but
            TensorFlow can.
    """
    name = FORMATS.get(format, "echo")
    if name == "keras" and any(path.split("/")[-1] == "saved_model.pb" for path in paths):
        name = "tensorflow"
    return Template(name, _(TITLES[name]), _texts()[name])
