"""Writes what makes an uploaded model file an MLflow model: MLmodel and what belongs to it.

Pure: from what `formats` recognised come the contents of files to put beside the untouched
originals. MLflow's own `pyfunc.load_model` and the studio's runtime both load the result.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import gettext as _

from registry.formats.recognising import Found
from registry.samples import Sample, inputs_of, outputs_of

MLMODEL = "MLmodel"
REQUIREMENTS = "requirements.txt"
REQUIREMENTS_KEPT = "requirements.uploaded.txt"
PYTHON_ENV = "python_env.yaml"
LOADER = "slipway_joblib_loader"
EXAMPLES = ("input_example.json", "serving_input_example.json")
_RELEASE = re.compile(r"\d+(\.\d+)*((rc|\.post)\d+)?", re.ASCII)
# newest Python that a release of scikit-learn has wheels for, by its first release that has
_SKLEARN_PYTHONS = (((1, 0), 9), ((1, 1), 10), ((1, 3), 11), ((1, 5), 12))


def why_not(found: Found, paths: Collection[str]) -> str:
    """The sentence why no MLmodel can be written for these files; "" when it can.

    Args:
        paths: of all files.
    """
    if found.problem or not found.wraps:
        return found.problem
    unknown = ", ".join(found.facts.get("modules", []))
    if unknown and REQUIREMENTS not in paths:
        text = _("Loading it needs %(names)s; add a requirements.txt that names the packages.")
        return text % {"names": unknown}
    if found.format == "onnx" and "/" in found.path:
        return _("MLflow loads an ONNX file only from the top of the folder.")
    if MLMODEL in paths or any(path.startswith(f"{MLMODEL}/") for path in paths):
        return _("There is a file named MLmodel already.")
    if found.format == "sklearn-joblib" and "code" in paths:
        return _("There is a file named “code” where the loader's folder would be.")
    return ""


def wrap(
    found: Found,
    *,
    paths: Collection[str],
    sample: Sample | None = None,
    sample_output: Any = None,
    given_requirements: bytes | None = None,
) -> dict[str, bytes]:
    """The files to put beside the originals, by path.

    None of them is in `paths`, but for a requirements.txt that came with the model: its lines stay,
    what loads the model is added, and the original is kept as requirements.uploaded.txt.

    Args:
        found: a model for which `why_not` says nothing.
        paths: of the files that are there; a python_env.yaml among them stays and counts.
        sample: gives the signature, where the file itself does not, and the input example.
        sample_output: JSON value, for the signature's outputs.
        given_requirements: content of the requirements.txt among the files.
    """
    sample = sample.named(found.facts.get("names", [])) if sample else None
    inputs = _inputs(found, sample)
    flavors = _flavors(found)
    files: dict[str, bytes] = {}
    document: dict[str, Any] = {
        "flavors": flavors,
        "mlflow_version": importlib.metadata.version("mlflow"),
        "model_uuid": uuid.uuid4().hex,
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    if inputs is not None:
        outputs = outputs_of(sample_output) or _stated(found.facts.get("outputs"))
        document["signature"] = {
            "inputs": json.dumps(inputs),
            "outputs": json.dumps(outputs) if outputs else None,
            "params": None,
        }
    if sample is not None and not set(EXAMPLES) & set(paths):
        document["saved_input_example_info"] = _example(sample, files)
    if found.format == "sklearn-joblib":
        source = Path(__file__).with_name("joblib_loader.py").read_bytes()
        files[f"code/{LOADER}.py"] = source
    files[PYTHON_ENV] = _python_env(python_of(found))
    files[MLMODEL] = yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    added = {path: content for path, content in files.items() if path not in paths}
    if given_requirements is None:
        return added | {REQUIREMENTS: _lines(requirements(found))}
    kept = given_requirements.decode("utf-8", "replace").splitlines()
    return added | {
        REQUIREMENTS: _lines([*kept, *_missing(kept, requirements(found))]),
        REQUIREMENTS_KEPT: given_requirements,
    }


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _missing(given: list[str], needed: list[str]) -> list[str]:
    """What is needed and not named; MLflow counts as named by any of its packages."""
    named = {_package(line) for line in given}
    if "mlflow" in named:
        named.add("mlflow-skinny")
    if named & {"xgboost", "xgboost-cpu"}:
        named |= {"xgboost", "xgboost-cpu"}
    if "onnxruntime-gpu" in named:
        named.add("onnxruntime")
    return [line for line in needed if _package(line) not in named]


def _package(line: str) -> str:
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""


def _flavors(found: Found) -> dict[str, Any]:
    pyfunc: dict[str, Any] = {
        "env": {"virtualenv": PYTHON_ENV},
        "python_version": python_of(found),
    }
    path, version = found.path, _release(found.version)
    own: dict[str, Any]
    if found.format == "sklearn-joblib":
        return {
            "python_function": {"loader_module": LOADER, "code": "code", "data": path, **pyfunc}
        }
    if found.format in {"sklearn-pickle", "sklearn-skops"}:
        own = {
            "pickled_model": path,
            "sklearn_version": version,
            "serialization_format": found.format.removeprefix("sklearn-"),
        }
        if found.format == "sklearn-skops":
            # a model is code: what it names of these libraries is trusted as a pickle would be
            own["skops_trusted_types"] = found.facts.get("types", [])
        loader = {"loader_module": "mlflow.sklearn", "model_path": path}
        return {"sklearn": own, "python_function": {**loader, **pyfunc}}
    if found.format == "onnx":
        own = {"data": path, "providers": ["CPUExecutionProvider"]}
        return {
            "onnx": own,
            "python_function": {"loader_module": "mlflow.onnx", "data": path, **pyfunc},
        }
    if found.format == "xgboost":
        own = {"data": path, "xgb_version": version, "model_class": found.facts["model_class"]}
        return {"xgboost": own, "python_function": {"loader_module": "mlflow.xgboost", **pyfunc}}
    own = {"data": path, "lgb_version": version, "model_class": "lightgbm.basic.Booster"}
    return {"lightgbm": own, "python_function": {"loader_module": "mlflow.lightgbm", **pyfunc}}


def requirements(found: Found) -> list[str]:
    """Lines of requirements.txt: the library in the version the bytes tell, and what loads it."""
    mlflow = importlib.metadata.version("mlflow")
    lines = [*_library(found), f"mlflow-skinny=={mlflow}", "pandas<4"]
    return [*lines, "numpy>=2,<3" if found.facts.get("numpy2") else "numpy<3"]


def _library(found: Found) -> list[str]:
    version = _release(found.version)
    if found.format == "onnx":
        return ["onnxruntime"]
    if found.format == "xgboost":
        return _xgboost(found, version)
    if found.format == "lightgbm":
        major = version.split(".")[0]
        # the file tells its own version, which is the major one of the library
        return [f"lightgbm>={major},<{int(major) + 1}" if major in {"3", "4"} else "lightgbm"]
    others = set(found.facts.get("packages", [])) - {"scikit-learn", "numpy", "pandas", "joblib"}
    extra = {"joblib"} if found.format == "sklearn-joblib" else set()
    return [
        f"scikit-learn=={version}" if version else "scikit-learn",
        *sorted(others | extra),
    ]


def _xgboost(found: Found, version: str) -> list[str]:
    estimator = ["scikit-learn"] if ".sklearn." in found.facts["model_class"] else []
    if found.facts.get("serialization") == "binary":
        return ["xgboost<3.1", *estimator]  # the last that reads the old binary format
    if not version:
        return ["xgboost", *estimator]
    if int(version.split(".")[0]) < 3:
        return [f"xgboost=={version}", *estimator]
    # without the GPU's 200 MB, where there are such wheels
    return [
        f"xgboost-cpu=={version}; sys_platform != 'darwin'",
        f"xgboost=={version}; sys_platform == 'darwin'",
        *estimator,
    ]


def _release(version: str) -> str:
    """A version that packages are published under; "" for one of a development build."""
    return version if _RELEASE.fullmatch(version) else ""


def python_of(found: Found) -> str:
    """The Python to run it on: the studio's own, or the newest that its scikit-learn knows."""
    own = sys.version_info
    match = re.match(r"(\d+)\.(\d+)", found.version)
    if found.format.startswith("sklearn") and match:
        release = (int(match[1]), int(match[2]))
        for before, minor in _SKLEARN_PYTHONS:
            if release < before and own.minor > minor:
                return f"3.{minor}"
    return f"{own.major}.{own.minor}.{own.micro}"


def _python_env(version: str) -> bytes:
    lines = {
        "python": version,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": [f"-r {REQUIREMENTS}"],
    }
    return yaml.safe_dump(lines, sort_keys=False).encode()


def _inputs(found: Found, sample: Sample | None) -> list[dict[str, Any]] | None:
    """The inputs of the signature: as the file states them, else as the sample looks."""
    stated = _stated(found.facts.get("inputs"))
    if stated and not (sample and sample.columns is not None and len(stated) == 1):
        return stated
    if sample is not None:
        given = inputs_of(sample)
        if given is not None:
            return given
    names = found.facts.get("names", [])
    return [{"name": name, "type": "double", "required": True} for name in names] or None


def _stated(values: Any) -> list[dict[str, Any]] | None:
    """ONNX's inputs or outputs as tensors; None when one of them is no tensor of numbers."""
    if not values:
        return None
    found = []
    for value in values:
        shape = value["shape"]
        if not shape or not value["dtype"] or value["dtype"] == "str":
            return None
        spec = {"dtype": value["dtype"], "shape": [-1, *shape[1:]]}
        name = {"name": value["name"]} if len(values) > 1 else {}
        found.append({**name, "type": "tensor", "tensor-spec": spec})
    return found


def _example(sample: Sample, files: dict[str, bytes]) -> dict[str, Any]:
    body = sample.body()
    raw, serving = EXAMPLES
    files[serving] = json.dumps(body, ensure_ascii=False).encode()
    if sample.columns is not None:
        files[raw] = json.dumps(body["dataframe_split"], ensure_ascii=False).encode()
        kind = {"type": "dataframe", "pandas_orient": "split"}
    else:
        files[raw] = json.dumps(body, ensure_ascii=False).encode()
        kind = {"type": "ndarray", "format": "tf-serving"}
    return {"artifact_path": raw, "serving_input_path": serving, **kind}
