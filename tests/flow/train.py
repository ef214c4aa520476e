"""Logs the models of these tests as a person would: stock client, over /mlflow, with a token.

Run as a script: `train.py KIND…`; prints one JSON object, kind -> run id.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

PINS = [
    f"{name}=={importlib.metadata.version(name)}"
    for name in ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "cloudpickle")
]


class Broken(mlflow.pyfunc.PythonModel):
    def load_context(self, context: Any) -> None:
        raise RuntimeError("the weights file is from another planet")

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input


class Hungry(mlflow.pyfunc.PythonModel):
    def load_context(self, context: Any) -> None:
        self.ballast = [bytearray(b"x" * 50_000_000) for _ in range(30)]  # 1.5 GB

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input


class Slow(mlflow.pyfunc.PythonModel):
    def load_context(self, context: Any) -> None:
        time.sleep(4)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input["bmi"] * 2


def log(kind: str) -> str:
    x, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = Ridge().fit(x, y)
    signature = infer_signature(x, model.predict(x))
    with mlflow.start_run(run_name=kind) as run:
        mlflow.log_metric("r2", model.score(x, y))
        common = {"name": "model", "signature": signature, "input_example": x.head(2)}
        sklearn = {**common, "serialization_format": "cloudpickle"}
        if kind == "good":
            mlflow.sklearn.log_model(model, pip_requirements=PINS, **sklearn)
        elif kind == "uninstallable":
            pins = [*PINS, "slipway-no-such-package==1.0"]
            mlflow.sklearn.log_model(model, pip_requirements=pins, **sklearn)
        elif kind.startswith("other-environment"):
            # a version of a tiny package that nobody else has: an environment of its own
            mlflow.sklearn.log_model(
                model, pip_requirements=[*PINS, f"toolz=={kind.rpartition(':')[2]}"], **sklearn
            )
        else:
            python_model = {"broken": Broken, "hungry": Hungry, "slow": Slow}[kind]()
            del common["input_example"]
            mlflow.pyfunc.log_model(python_model=python_model, pip_requirements=PINS, **common)
        return str(run.info.run_id)


if __name__ == "__main__":
    mlflow.set_experiment("flow")
    print(json.dumps({kind: log(kind) for kind in sys.argv[1:]}))
