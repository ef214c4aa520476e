"""Logs runs with a stock MLflow client; prints one JSON line per run: its id and what it answers.

Started by the tests as a program of its own, with MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN.
"""

import importlib.metadata
import json
import sys

import mlflow
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

NEEDED = ("mlflow", "numpy", "pandas", "scikit-learn")


def main(count: int) -> None:
    frame = load_diabetes(as_frame=True).frame
    features, target = frame.drop(columns="target"), frame["target"]
    example = features.head(1)
    mlflow.set_experiment("diabetes")
    for number in range(count):
        model = Ridge(alpha=0.1 + number).fit(features, target)
        with mlflow.start_run(run_name=f"ridge-{number}") as run:
            mlflow.log_param("alpha", model.alpha)
            mlflow.log_metric("r2", model.score(features, target))
            mlflow.sklearn.log_model(
                model,
                name="model",
                signature=mlflow.models.infer_signature(features, model.predict(features)),
                input_example=example,
                pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in NEEDED],
            )
        answer = model.predict(example).tolist()
        print(json.dumps({"run_id": run.info.run_id, "answer": answer}), flush=True)


main(int(sys.argv[1]))
