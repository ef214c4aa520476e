"""Runs the demo's trainings: `python -m studio.demo_data.train`, to MLFLOW_TRACKING_URI.

Says how far it is on stdout, one JSON object a line: `done`, `total`, `message`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import mlflow.data
import mlflow.sklearn
import pandas as pd
from mlflow.entities import Metric
from mlflow.models import infer_signature
from mlflow.store.artifact import artifact_repository_registry

from studio.demo_data import artifacts
from studio.demo_data.recipes import Data, Experiment, Recipe, experiments

DEMO_TAG = "slipway.demo"
MAX_POINTS = 60  # of a curve, in one request


def main(argv: list[str] | None = None) -> int:
    """Train what is missing; running it again adds nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifact-root", default="", help="where the store's server keeps files")
    parser.add_argument("--user", default="demo")
    options = parser.parse_args(argv)
    # MLflow's hints to the author of a training are of no use to the person who pressed a button
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    if options.artifact_root:
        serve_artifacts_here(options.artifact_root)
    wanted = [(experiment, recipe) for experiment in experiments() for recipe in experiment.recipes]
    for done, (experiment, recipe) in enumerate(wanted):
        _say(done, len(wanted), f"{experiment.name}: {recipe.algorithm}")
        if not _exists(experiment, recipe):
            _train(experiment, recipe, options.user)
    _say(len(wanted), len(wanted), "")
    return 0


def serve_artifacts_here(root: str) -> None:
    """Read and write `mlflow-artifacts:/` in `root`, as the tracking server does for its clients.

    Experiments thereby look as if a client had made them through the server.
    """

    def repository(artifact_uri: str, **options: Any) -> Any:
        path = urlsplit(artifact_uri).path.strip("/")
        return artifact_repository_registry.get_artifact_repository(f"{root.rstrip('/')}/{path}")

    registry = artifact_repository_registry._artifact_repository_registry
    registry.register("mlflow-artifacts", repository)


def _say(done: int, total: int, message: str) -> None:
    sys.stdout.write(json.dumps({"done": done, "total": total, "message": message}) + "\n")
    sys.stdout.flush()


def _key(recipe: Recipe) -> str:
    return f"{recipe.algorithm} {json.dumps(recipe.parameters, sort_keys=True)}"


def _experiment_id(experiment: Experiment) -> str:
    found = mlflow.get_experiment_by_name(experiment.name)
    if found is not None:
        return str(found.experiment_id)
    tags = {"mlflow.note.content": experiment.description, DEMO_TAG: "true"}
    remote = urlsplit(mlflow.get_tracking_uri()).scheme in {"http", "https"}
    # a path that does not depend on the number that the store will give
    location = None if remote else f"mlflow-artifacts:/demo-{experiment.name}"
    return str(mlflow.create_experiment(experiment.name, artifact_location=location, tags=tags))


def _exists(experiment: Experiment, recipe: Recipe) -> bool:
    found = mlflow.MlflowClient().search_runs(
        [_experiment_id(experiment)],
        filter_string=f"tags.`{DEMO_TAG}` = '{_key(recipe)}' and attributes.status = 'FINISHED'",
        max_results=1,
    )
    return bool(found)


def _train(experiment: Experiment, recipe: Recipe, user: str) -> None:
    data = experiment.data
    tags = {DEMO_TAG: _key(recipe), "algorithm": recipe.algorithm, "mlflow.user": user}
    tags["mlflow.source.name"] = "slipway demo"
    with mlflow.start_run(experiment_id=_experiment_id(experiment), tags=tags) as run:
        mlflow.log_params({"algorithm": recipe.algorithm, **recipe.parameters})
        training = pd.concat([data.x_train, data.y_train], axis=1)
        dataset = mlflow.data.from_pandas(training, name=data.name, targets=str(data.y_train.name))
        mlflow.log_input(dataset, context="training")
        curve = _log_curve(run.info.run_id, recipe.fit(recipe.model, data))
        metrics = artifacts.final_metrics(data, recipe.model)
        mlflow.log_metrics(metrics)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            artifacts.write_plots(folder, data, recipe.model, curve)
            artifacts.write_files(folder, data, recipe, recipe.model, metrics)
            mlflow.log_artifacts(str(folder))
        mlflow.log_dict({"algorithm": recipe.algorithm, "metrics": metrics}, "metrics.json")
        _log_model(data, recipe.model)


def _log_curve(run_id: str, steps: Iterator[tuple[int, dict[str, float]]]) -> list[Any]:
    """Log the metrics that training yields, each with the time at which it came."""
    curve, metrics = [], []
    for step, values in steps:
        now = int(time.time() * 1000)
        curve.append((step, values))
        metrics += [Metric(name, value, now, step) for name, value in values.items()]
    for start in range(0, len(metrics), 2 * MAX_POINTS):
        mlflow.MlflowClient().log_batch(run_id, metrics=metrics[start : start + 2 * MAX_POINTS])
    return curve


def _log_model(data: Data, model: Any) -> None:
    example = data.x_test.head(3)
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(example, model.predict(example)),
        input_example=example,
        pip_requirements=_requirements(),
        # skops, the default, refuses some of these estimators unless their types are listed
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
    )


def _requirements() -> list[str]:
    """Only what scoring needs: MLflow without its server, and what the models are made of."""
    from importlib.metadata import version

    names = ("mlflow-skinny", "scikit-learn", "numpy", "pandas", "cloudpickle")
    return [f"{name}=={version(name)}" for name in names]


if __name__ == "__main__":
    sys.exit(main())
