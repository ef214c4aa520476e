"""The modules that old scripts import, made up where nobody installed them.

A finder at the very end of sys.meta_path: a package that is really installed is found before it.
Only what a scoring script needs is there: rawhttp, AMLRequest, AMLResponse, Model.get_model_path
and a ModelDataCollector that never breaks `run()`.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from serving.script.layout import model_path
from serving.script.request import AMLRequest
from serving.script.response import AMLResponse

log = logging.getLogger("serving.script")

F = TypeVar("F", bound=Callable[..., Any])
RAW_MARK = "__slipway_rawhttp__"
AML_REQUEST = "azureml.contrib.services.aml_request"


def rawhttp(run: F) -> F:
    """Mark `run`: it is given the request itself, for every method."""
    setattr(run, RAW_MARK, True)
    return run


class Model:
    """The one thing of azureml.core.model.Model that a scoring script uses."""

    roots: list[Path] = []

    @staticmethod
    def get_model_path(model_name: str, version: Any = None, _workspace: Any = None) -> str:
        """Return the path of a deployed model; raises FileNotFoundError."""
        return model_path(model_name, version, Model.roots)


class ModelDataCollector:
    """Takes v1's calls and never fails: collecting is the server's work here, not the script's."""

    def __init__(self, model_name: str, *args: Any, **kwargs: Any) -> None:
        log.info("ModelDataCollector(%r) collects nothing here", model_name)

    def collect(self, data: Any, user_correlation_id: str = "") -> tuple[bool, str]:
        """Return (False, why); `data` is left alone."""
        return False, "Data is collected by the server, when the service's settings say so."

    def add_correlations(self, input_data: Any, correlations: Any) -> Any:
        """Return the input as it is."""
        return input_data


MODULES: dict[str, dict[str, Any] | None] = {  # None: a package without names of its own
    "azureml": None,
    "azureml.core": {"Model": Model},
    "azureml.core.model": {"Model": Model},
    "azureml.contrib": None,
    "azureml.contrib.services": None,
    AML_REQUEST: {"AMLRequest": AMLRequest, "rawhttp": rawhttp},
    "azureml.contrib.services.aml_response": {"AMLResponse": AMLResponse},
    "azureml.monitoring": {"ModelDataCollector": ModelDataCollector},
}


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MODULES:
            return None
        package = any(name.startswith(fullname + ".") for name in MODULES)
        return ModuleSpec(fullname, self, origin="Slipway", is_package=package)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(MODULES[module.__name__] or {})


def install(roots: list[Path]) -> None:
    """Make the modules importable; `roots` hold azureml-models folders."""
    Model.roots = roots
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
    _mark_the_installed_one()


def _mark_the_installed_one() -> None:
    """Let the decorator of a really installed package leave our mark as well."""
    spec = importlib.util.find_spec(AML_REQUEST)
    if spec is None or isinstance(spec.loader, _Finder):
        return
    module: Any = importlib.import_module(AML_REQUEST)
    theirs = module.rawhttp
    module.rawhttp = lambda run: rawhttp(theirs(run))


def is_raw(run: Callable[..., Any]) -> bool:
    """Whether `run` was marked by rawhttp."""
    return bool(getattr(run, RAW_MARK, False))
