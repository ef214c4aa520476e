"""A real MLflow store with trained models in it, and the people who use it."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from mlflow import MlflowClient


@dataclass(frozen=True)
class Store:
    """The MLflow store of one test, with the runs that were logged into it."""

    uri: str
    artifacts: Path
    client: MlflowClient
    run_id: str  # logged one model named "model" with signature and example
    two_models_run_id: str  # logged "first", then "second"
    empty_run_id: str  # logged a metric only
    artifact_run_id: str  # an older client's run: the model lies among the run's artifacts

    def version_make(self, name: str, folder: Path | str) -> str:
        """Make a version whose files are any folder, as another client could."""
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        return str(self.client.create_model_version(name, str(folder)).version)


def _train(artifacts: Path, uri: str) -> dict[str, str]:
    import mlflow
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    mlflow.set_tracking_uri(uri)
    frame = load_diabetes(as_frame=True).frame
    features, target = frame.drop(columns="target"), frame["target"]
    model = Ridge().fit(features, target)
    signature = mlflow.models.infer_signature(features, model.predict(features))
    experiment = mlflow.create_experiment("diabetes", artifact_location=str(artifacts / "1"))
    runs = {}

    def log(name: str) -> None:
        mlflow.sklearn.log_model(
            model,
            name=name,
            signature=signature,
            input_example=features.head(2),
            pip_requirements=["scikit-learn==1.6.1", "mlflow"],
            serialization_format="pickle",
        )

    with mlflow.start_run(experiment_id=experiment, run_name="ridge") as run:
        log("model")
        runs["run_id"] = run.info.run_id
    with mlflow.start_run(experiment_id=experiment) as run:
        log("first")
        log("second")
        runs["two_models_run_id"] = run.info.run_id
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metric("rmse", 1.0)
        runs["empty_run_id"] = run.info.run_id
    with mlflow.start_run(experiment_id=experiment) as run:
        logged = mlflow.search_logged_models([experiment], output_format="list")
        mlflow.log_artifacts(
            next(item.artifact_location for item in logged if item.name == "model"), "old/model"
        )
        runs["artifact_run_id"] = run.info.run_id
    return runs


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a store's database and artifacts, made once: training takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    return folder, _train(folder / "artifacts", f"sqlite:///{folder}/mlflow.db")


@pytest.fixture
def store(trained: tuple[Path, dict[str, str]], tmp_path: Path, settings: Any) -> Store:
    """A copy of the trained store, which the studio reads; artifacts are shared, so read only."""
    folder, runs = trained
    shutil.copy(folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY,
        tracking_uri=uri,
        artifact_root=str(folder.parent),  # also holds tmp_path: folders made by tests
        min_free_bytes=0,
    )
    return Store(uri, folder / "artifacts", MlflowClient(uri, uri), **runs)


@pytest.fixture
def user(db: None) -> Any:
    return get_user_model().objects.create_user("ada", password="a-long-password")
