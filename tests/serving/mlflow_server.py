"""MLflow's own scoring server in this process, and models to compare it with our loaders."""

from __future__ import annotations

import json
import math
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import yaml

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette's advice on which HTTP client to install
    from starlette.testclient import TestClient

from serving.errors import ServingError
from serving.loaders import load
from serving.loaders.base import NoCode
from serving.scoring import INVOCATIONS, Answer, ScoreRequest

JSON = "application/json"


class MlflowServer:
    """`mlflow models serve` without its process."""

    def __init__(self, folder: Path) -> None:
        import mlflow.pyfunc
        from mlflow.pyfunc import scoring_server

        model = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
        app = scoring_server.init(model)
        self._client = TestClient(app, raise_server_exceptions=False)

    def answer(self, body: bytes, content_type: str = JSON) -> tuple[bool | None, Any]:
        """Return whether it was scored, and the document (of predictions, or of the error).

        None for a status of 500: MLflow failed to answer, and ours may do better.
        """
        headers = {"content-type": content_type}
        answer = self._client.post("/invocations", content=body, headers=headers)
        scored = None if answer.status_code >= 500 else answer.status_code == 200
        return scored, _document(answer.content)


def _document(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content


def loaded(folder: Path, loader: str, *, batch: bool = False, **more: Any) -> NoCode:
    """Load a model with a loader of ours."""
    config: Any = {
        "service": "s",
        "revision": 1,
        "model_dir": str(folder),
        "model_name": "m",
        "model_version": "1",
        "verbose_errors": True,
        "loader": loader,
        "batch": batch,
        **more,
    }
    model: Any = load(config, Path(config["model_dir"]))
    return model


def ask(model: NoCode, *bodies: bytes, content_type: str = JSON) -> list[tuple[bool, Any]]:
    """Return per body, asked at once: whether it was scored, and the document.

    Anything but a 200 or a 400 that says why fails the test.
    """
    requests = [ScoreRequest(body, content_type, INVOCATIONS, "id") for body in bodies]
    found = []
    for outcome in model.answer(requests):
        if isinstance(outcome, Answer):
            assert outcome.status == 200
            found.append((True, json.loads(outcome.body)))
        else:
            assert isinstance(outcome, ServingError)
            assert outcome.status == 400, outcome.message
            assert outcome.message
            found.append((False, outcome.message))
    return found


def save_echo(folder: Path, inputs: list[dict[str, Any]]) -> Path:
    """Write a scikit-learn model that answers its input, with a signature."""
    from tests.serving.models.echo import Echo

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(Echo()))
    document = {
        "mlflow_version": "3.17.2",
        "flavors": {
            "python_function": {
                "loader_module": "mlflow.sklearn",
                "model_path": "model.pkl",
                "predict_fn": "predict",
                "python_version": "3.11.7",
                "env": {"virtualenv": "python_env.yaml"},
            },
            "sklearn": {
                "pickled_model": "model.pkl",
                "serialization_format": "pickle",
                "sklearn_version": "1.9.1",
                "code": None,
            },
        },
        "signature": {"inputs": json.dumps(inputs), "outputs": None, "params": None},
        "utc_time_created": "2026-11-21 00:00:00",
        "model_uuid": "0" * 32,
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    return folder


def same(left: Any, right: Any, ulps: int = 0, *, single: bool = False, terms: float = 1.0) -> bool:
    """Whether two JSON values are equal; floats within `ulps` units in the last place.

    Args:
        single: those are units of 32-bit floats.
        terms: size of what was summed. Where terms cancel, their error stays, whatever is left of
            them; so the units are those of the terms, if they are larger than the value.
    """
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        unit = 2.0**-23 if single else 2.0**-52
        return left == right or (
            ulps > 0
            and (
                abs(left - right) <= ulps * unit * terms
                or _apart(left, right, single=single) <= ulps
            )
        )
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(
            same(left[k], right[k], ulps, single=single, terms=terms) for k in left
        )
    if isinstance(left, list):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(
            same(a, b, ulps, single=single, terms=terms) for a, b in pairs
        )
    return bool(left == right)


def _apart(left: float, right: float, *, single: bool) -> int:
    """How many floats lie between the two."""
    if math.isinf(left) or math.isinf(right):
        return 2**64
    number, integer = ("<f", "<i") if single else ("<d", "<q")
    lowest = -(2**31) if single else -(2**63)
    (first,) = struct.unpack(integer, struct.pack(number, left))
    (second,) = struct.unpack(integer, struct.pack(number, right))
    places = [bits if bits >= 0 else lowest - bits for bits in (first, second)]
    return abs(places[0] - places[1])
