"""The environments of the servers that are measured: one each, below `.bench/`, kept between runs.

What a model needs has the versions of the environment that this runs in, everywhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".bench"
UV = Path(sys.executable).with_name("uv")
SHARED = (
    *("mlflow", "mlflow-skinny", "scikit-learn", "numpy", "pandas", "scipy", "pyarrow"),
    *("onnxruntime", "cloudpickle", "skops"),
)
WITH_MLFLOW = ("mlflow", "scikit-learn", "onnxruntime")

# The last release of each that installs beside the model's libraries at these versions.
PEERS = {
    "mlflow": (),
    "bare": ("starlette", "uvicorn", "uvloop", "httptools"),
    "azureml": ("azureml-inference-server-http==1.5.1",),
    "mlserver": ("mlserver==1.7.1", "mlserver-mlflow==1.7.1", "uvloop<0.22"),  # fails with newer
}
BENTOML = ("bentoml==1.4.39", "scikit-learn", "onnxruntime")  # conflicts with MLflow's own needs

UNCOUNTED = {
    "calls.py": "\n\nnew_identity = str\nCall.finish = lambda self, status: None\n",
    "metrics.py": "\n\nHistogram.note = lambda self, value: None\n",
}


class Missing(Exception):
    """An environment cannot be made here; the text says why."""


def peer(name: str) -> Path:
    """Return the Python of a peer's environment, with MLflow in it; raises Missing."""
    return _environment(name, [*WITH_MLFLOW, *PEERS[name]])


def bentoml() -> Path:
    """Return the Python of BentoML's environment; raises Missing."""
    return _environment("bentoml", BENTOML)


def fast(name: str, requirements: Sequence[str]) -> Path:
    """Return the Python of a model's environment for the fast loader; raises Missing."""
    return _environment(f"fast-{name}", requirements)


def runtime() -> Path:
    """Return our runtime's `boot.py`, laid out as a target lays it out; raises Missing."""
    folder = HOME / "runtime"
    lock = ROOT / "serving" / "requirements.lock"
    if not _done(folder, lock.read_text()):
        _uv(
            *("pip", "install", "--python", sys.executable, "--target", folder),
            *("--require-hashes", "--no-deps", "--requirement", lock),
        )
        _mark(folder, lock.read_text())
    copy_source(folder)
    return folder / "serving" / "boot.py"


def uncounted() -> Path:
    """Return the `boot.py` of a copy of the runtime without metrics and request ids."""
    folder = HOME / "runtime-uncounted"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(runtime().parents[1], folder)
    for module, lines in UNCOUNTED.items():
        with (folder / "serving" / module).open("a") as file:
            file.write(lines)
    return folder / "serving" / "boot.py"


def copy_source(folder: Path) -> None:
    """Put the runtime's source as it is now into a runtime's folder."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.rmtree(folder / "serving", ignore_errors=True)
    shutil.copytree(ROOT / "serving", folder / "serving", ignore=skip)


def _environment(name: str, packages: Sequence[str]) -> Path:
    folder = HOME / name
    pins = "\n".join(f"{shared}=={version(shared)}" for shared in SHARED)
    wanted = "\n".join([sys.version, pins, *packages])
    python = folder / "bin" / "python"
    if _done(folder, wanted):
        return python
    print(f"Making the environment of {name} …", file=sys.stderr, flush=True)
    HOME.mkdir(exist_ok=True)
    constraints = HOME / "constraints.txt"
    constraints.write_text(pins)
    _uv("venv", "--clear", "--python", sys.executable, folder)
    _uv("pip", "install", "--python", python, "--constraint", constraints, *packages)
    _mark(folder, wanted)
    return python


def _done(folder: Path, wanted: str) -> bool:
    mark = folder / "bench-done"
    return mark.exists() and mark.read_text() == wanted


def _mark(folder: Path, wanted: str) -> None:
    (folder / "bench-done").write_text(wanted)


def _uv(*words: object) -> None:
    _run(UV, *words, "--quiet")


def _run(*words: object) -> None:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Missing(f"{words[0]} failed: {done.stderr.strip()[-600:]}")
