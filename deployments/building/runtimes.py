"""The serving runtime on disk: `runtimes/<version>/`, once per version and Python minor.

It is appended last to a service's `sys.path`, so the model's own packages always win.
"""

from __future__ import annotations

import hashlib
import shutil
from functools import lru_cache
from pathlib import Path

import serving
from deployments import guarded
from deployments.building.environments import (
    DONE_FILE,
    RESOLVE_TIMEOUT,
    Builder,
    EnvironmentFailed,
    explain,
    folder_ready,
    locked,
    working_folder,
)
from deployments.building.pythons import Python

SOURCE = Path(serving.__file__).resolve().parent
LOCK = SOURCE / "requirements.lock"


@lru_cache(maxsize=1)
def version() -> str:
    """Hash of the runtime's source and its lock."""
    digest = hashlib.sha256()
    for path in sorted([*SOURCE.rglob("*.py"), LOCK]):
        digest.update(path.relative_to(SOURCE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def install(builder: Builder, runtimes: Path, python: Python) -> Path:
    """The runtime's folder for this Python, installed when it is not there yet.

    Raises:
        EnvironmentFailed: its packages cannot be installed. processes.Cancelled.
    """
    name = f"{version()}-{python.minor}"
    final = runtimes / name
    if (final / DONE_FILE).exists():
        return final
    with locked(runtimes / f".{name}.lock"):
        if (final / DONE_FILE).exists():
            return final
        working = working_folder(builder, f"runtime-{name}")
        folder_ready(working, builder.user)
        code, tail = builder.tool(
            *("pip", "install", "--python", python.path, "--target", str(working)),
            *("--no-build", "--require-hashes", "--no-deps", "--requirement", str(LOCK)),
            timeout=RESOLVE_TIMEOUT,
        )
        if code != 0:
            raise EnvironmentFailed(explain(tail))
        guarded.folder_take(working)  # from here on nobody else puts anything there
        shutil.copytree(SOURCE, working / "serving", ignore=shutil.ignore_patterns("__pycache__"))
        guarded.tree_open_to_all(working)
        (working / DONE_FILE).touch()
        shutil.rmtree(final, ignore_errors=True)
        working.rename(final)
    return final
