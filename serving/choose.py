"""Which loader serves a model, and what its environment needs then. Standard library only.

The control plane asks before the environment exists, the runtime when it loads: both see the
parsed MLmodel document alone.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    Loader = Literal["fast", "plain"]

COLUMN_TYPES = frozenset(
    ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
)
PICKLES = frozenset(("pickle", "cloudpickle", "skops"))


class Flavor(NamedTuple):
    """A flavour that the fast loader loads natively."""

    name: str  # the key in MLmodel's `flavors`
    title: str
    packages: tuple[str, ...]  # names a requirement may go by; the first is added when none is
    version_key: str  # where the flavour writes the version it was saved with


FLAVORS = {
    "mlflow.sklearn": Flavor("sklearn", "scikit-learn", ("scikit-learn",), "sklearn_version"),
    "mlflow.onnx": Flavor("onnx", "ONNX", ("onnxruntime", "onnxruntime-gpu"), ""),
    "mlflow.xgboost": Flavor("xgboost", "XGBoost", ("xgboost", "xgboost-cpu"), "xgb_version"),
    "mlflow.lightgbm": Flavor("lightgbm", "LightGBM", ("lightgbm",), "lgb_version"),
}


def choose(mlmodel: Mapping[str, Any]) -> tuple[Loader, str]:
    """Return the loader for a model and the sentence why.

    Args:
        mlmodel: the parsed MLmodel document; anything malformed in it chooses "plain".
    """
    try:
        reason = _against(mlmodel)
    except (AttributeError, KeyError, TypeError, ValueError):
        reason = "its MLmodel file has a form that only MLflow reads"
    if reason:
        return "plain", f"MLflow loads this model: {reason}."
    flavor = _flavor(mlmodel)
    article = "An" if flavor.title[0] in "OX" else "A"
    return "fast", f"{article} {flavor.title} model with a signature is loaded without MLflow."


def _flavor(mlmodel: Mapping[str, Any]) -> Flavor:
    return FLAVORS[mlmodel["flavors"]["python_function"]["loader_module"]]


def _against(mlmodel: Mapping[str, Any]) -> str | None:
    """Return what speaks against the fast loader, or None."""
    pyfunc = mlmodel["flavors"]["python_function"]
    module = pyfunc["loader_module"]
    if module not in FLAVORS:
        return f"it is loaded by {module}, which needs MLflow"
    flavor = FLAVORS[module]
    own = mlmodel["flavors"][flavor.name]
    if pyfunc.get("code") or own.get("code"):
        return "it brings Python code of its own"
    if pyfunc.get("config") or pyfunc.get("model_config"):
        return "it has a model configuration"
    if (mlmodel.get("metadata") or {}).get("mlflow.model.isExternal"):
        return "its files are kept elsewhere"
    if pyfunc.get("predict_fn", "predict") != "predict":
        return f"it predicts with {pyfunc['predict_fn']!r}"
    return _against_files(module, own) or _against_signature(mlmodel)


def _against_files(module: str, own: Mapping[str, Any]) -> str | None:
    default = "cloudpickle" if module == "mlflow.lightgbm" else "pickle"
    pickled = module == "mlflow.sklearn" or (
        module == "mlflow.lightgbm" and _is_sklearn_api(own, "lightgbm.basic.Booster")
    )
    form = own.get("serialization_format") or default
    if pickled and form not in PICKLES:
        return f"its serialization format is {form!r}"
    if module == "mlflow.xgboost":
        name = own.get("model_class", "xgboost.core.Booster")
        if not name.startswith("xgboost."):
            return f"its class {name} is not XGBoost's own"
    return None


def _is_sklearn_api(own: Mapping[str, Any], booster: str) -> bool:
    return bool(own.get("model_class", booster) != booster)


def _against_signature(mlmodel: Mapping[str, Any]) -> str | None:
    signature = mlmodel.get("signature") or {}
    if not signature.get("inputs"):
        return "it has no signature of its inputs"
    if signature.get("params") and json.loads(signature["params"]):
        return "it takes parameters"
    hinted = ("is_signature_from_type_hint", "type_hint_from_example")
    if any(mlmodel.get(key) or signature.get(key) for key in hinted):
        return "its signature comes from type hints"
    inputs = json.loads(signature["inputs"])
    kinds = {spec["type"] for spec in inputs}
    named = {spec.get("name") is not None for spec in inputs}
    if kinds == {"tensor"}:
        return _against_tensors(inputs)
    nested = sorted(kinds - COLUMN_TYPES)
    if nested:
        return f"its signature has inputs of type {nested[0]}"
    names = [spec.get("name") for spec in inputs]
    if named == {True} and len(set(names)) != len(names):
        return "two columns of its signature have one name"
    return None if len(named) == 1 else "its signature names some of its columns only"


def _against_tensors(inputs: list[dict[str, Any]]) -> str | None:
    for spec in inputs:
        kind = spec["tensor-spec"]["dtype"]
        if not re.fullmatch(r"(u?int|float)\d+|bool|str|object", kind):
            return f"its signature has a tensor of {kind}"
    return None


def without_mlflow(requirements: Sequence[str], mlmodel: Mapping[str, Any]) -> list[str]:
    """Return the requirements of a model's environment for the fast loader.

    MLflow's own packages are left out; what came with them and is needed without them is added.
    Options (`--index-url`, `-c`), comments and everything else stay as they are, in order.

    Args:
        requirements: lines as in requirements.txt.
        mlmodel: the parsed MLmodel document of a model for which `choose` says "fast".
    """
    kept = [line for line in requirements if not _is_mlflow(_name(line))]
    present = {_name(line) for line in kept}
    needs = [need for need in _needs(mlmodel) if _name(need) not in present]
    return kept + needs + _library(mlmodel, present)


def _is_mlflow(name: str) -> bool:
    return name == "mlflow" or name.startswith("mlflow-") or name == "azureml-mlflow"


def _name(requirement: str) -> str:
    """Return the normalised package name of a requirement line, or "" (PEP 503)."""
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", found.group(1)).lower() if found else ""


def _needs(mlmodel: Mapping[str, Any]) -> list[str]:
    # Frames and Parquet came with MLflow, in the range that MLflow's release allows.
    old = str(mlmodel.get("mlflow_version", "3")).split(".", 1)[0] in ("0", "1", "2")
    needs = ["numpy<2" if old else "numpy<3", "pandas<3" if old else "pandas<4"]
    flavor = _flavor(mlmodel)
    own = mlmodel["flavors"][flavor.name]
    if "tensor" not in {spec["type"] for spec in json.loads(mlmodel["signature"]["inputs"])}:
        needs.append("pyarrow")
    pickled = flavor.name == "sklearn" or (
        flavor.name == "lightgbm" and _is_sklearn_api(own, "lightgbm.basic.Booster")
    )
    form = own.get("serialization_format", "pickle" if flavor.name == "sklearn" else "cloudpickle")
    if pickled and form in ("cloudpickle", "skops"):
        needs.append(form)
    sklearn_api = flavor.name == "xgboost" and _is_sklearn_api(own, "xgboost.core.Booster")
    if sklearn_api or (pickled and flavor.name == "lightgbm"):
        needs.append("scikit-learn")
    return needs


def _library(mlmodel: Mapping[str, Any], present: set[str]) -> list[str]:
    flavor = _flavor(mlmodel)
    if present & set(flavor.packages):
        return []
    version = mlmodel["flavors"][flavor.name].get(flavor.version_key)
    return [f"{flavor.packages[0]}=={version}" if version else flavor.packages[0]]
