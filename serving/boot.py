"""Starts the runtime by path inside a model's own environment.

    python <runtimes>/<version>/serving/boot.py replica --dir DIR

Python puts a script's folder first on sys.path, where our modules would hide a model's. This takes
that entry away and appends the runtime root (the folder that holds `serving/` and the runtime's own
packages) last, so that every package the model brings wins. Standard library only.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def arrange_path() -> None:
    """Drop this folder from sys.path and append the runtime root last."""
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() not in (HERE, ROOT)]
    sys.path.append(str(ROOT))


def pin_package() -> None:
    """Import `serving` from this file's folder, even where the model brings a package so named."""
    spec = importlib.util.spec_from_file_location(
        "serving", HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["serving"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    arrange_path()
    pin_package()
    runpy.run_module("serving", run_name="__main__", alter_sys=False)
