"""People, rows in every state, and a model version whose files were written by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from mlflow import MlflowClient

from deployments.choices import OperationStatus, StepState
from deployments.control import wake
from deployments.models import Operation, Service
from tests.factories import RevisionFactory, ServiceFactory, TargetFactory, deploying
from tests.tracking.mlflow_store import make_template

MLMODEL = """
artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
    python_version: 3.11.7
  sklearn: {pickled_model: model.pkl}
mlflow_version: 3.17.2
saved_input_example_info:
  artifact_path: input_example.json
  serving_input_path: serving_input_example.json
  type: dataframe
signature:
  inputs: '[{"type": "double", "name": "age", "required": true},
    {"type": "string", "name": "city", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""
EXAMPLE = {"dataframe_split": {"columns": ["age", "city"], "data": [[0.25, "Bonn"]]}}


@pytest.fixture(autouse=True)
def no_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker runs here: every wake-up is lost, and the rows say what was asked for."""
    monkeypatch.setattr(wake, "_send", lambda publish: None)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def model(empty_store: Path, tmp_path: Path, settings: Any) -> str:
    """The name of a model with one version that has signature, example and requirements."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "requirements.txt").write_text("mlflow\nscikit-learn==1.6.1\n")
    (folder / "python_env.yaml").write_text("python: 3.11.7\n")
    (folder / "serving_input_example.json").write_text(json.dumps(EXAMPLE))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY, tracking_uri=uri, artifact_root=str(tmp_path), min_free_bytes=0
    )
    client = MlflowClient(uri, uri)
    client.create_registered_model("diabetes")
    client.create_model_version("diabetes", str(folder))
    return "diabetes"


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada", password="a-long-password")


@pytest.fixture
def ada(user: User) -> Client:
    """A signed-in person who is no administrator."""
    client = Client(enforce_csrf_checks=False)
    client.force_login(user)
    return client


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("root", is_staff=True))
    return client


@pytest.fixture
def service(db: None) -> Service:
    """A healthy service of model version diabetes 1 on the fake target."""
    made = ServiceFactory(name="diabetes-v1", state="Healthy", description="Ridge")
    revision = RevisionFactory(service=made)
    Service.objects.filter(pk=made.pk).update(wanted=revision, active=revision)
    made.refresh_from_db()
    return made


@pytest.fixture
def moving(db: None) -> Operation:
    """A first deploy under way."""
    return deploying("on-its-way")


@pytest.fixture
def failed(db: None) -> Operation:
    """A first deploy that failed in its first open step."""
    operation = deploying("broken")
    step = operation.steps.exclude(state=StepState.SUCCEEDED).first()
    assert step is not None
    step.state, step.message = StepState.FAILED, "No module named 'xgboost'"
    step.started_at = step.ended_at = operation.created_at
    step.save()
    Operation.objects.filter(pk=operation.pk).update(
        status=OperationStatus.FAILED, error="The model did not load.", ended_at=step.ended_at
    )
    Service.objects.filter(name="broken").update(
        state="Failed", reason="LoadFailed", message="The model did not load."
    )
    operation.refresh_from_db()
    return operation


@pytest.fixture
def many(db: None) -> Callable[[int], None]:
    """Make services with an operation each, named from `n-000` on."""

    def make(count: int) -> None:
        start = Service.objects.count()
        for number in range(start, start + count):
            operation = deploying(f"n-{number:03d}", state="Healthy")
            Operation.objects.filter(pk=operation.pk).update(status="Succeeded")

    return make


@pytest.fixture
def fake(db: None) -> Any:
    return TargetFactory()
